//! Errors that nodes answer, within bounds: a run keeps and shows them, and the machine of a node is not the service's. Outputs are bounded
//! where they are kept, as those of the service's own runtime.

use crate::activity::CALL_FAILED;
use crate::node_protocol::TaskResult;
use crate::web_task::{ActivityError, Ended};

/// The longest message, in characters: a URL, and what messages have of an answer.
const MAX_MESSAGE: usize = 16 * 1024;
/// The longest code, in characters.
const MAX_CODE: usize = 64;

/// `result` with the begin of a message that is too long, and the code of a failed call instead of one that is none.
pub(super) fn bounded(mut result: TaskResult) -> TaskResult {
    if let Some(Ended::Error(ActivityError { code, message })) = &mut result.activity {
        if !is_code(code) {
            CALL_FAILED.clone_into(code);
        }
        cut(message);
    }
    result.error.iter_mut().for_each(cut);
    result
}

fn is_code(text: &str) -> bool {
    (1..=MAX_CODE).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn cut(message: &mut String) {
    if let Some((end, _)) = message.char_indices().nth(MAX_MESSAGE) {
        message.truncate(end);
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn answered(code: &str, message: &str) -> (String, String) {
        let activity = Some(Ended::Error(ActivityError::new(code, message)));
        match bounded(TaskResult { activity, ..TaskResult::of(Uuid::nil()) }).activity {
            Some(Ended::Error(ActivityError { code, message })) => (code, message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_code_is_letters_and_digits() {
        for code in ["2105", "InvalidTemplate", &"a".repeat(MAX_CODE)] {
            assert_eq!(answered(code, "why"), (code.to_owned(), "why".to_owned()));
        }
        for code in ["", "<b>", "21 05", &"1".repeat(MAX_CODE + 1)] {
            assert_eq!(answered(code, "why"), (CALL_FAILED.to_owned(), "why".to_owned()), "{code}");
        }
    }

    #[test]
    fn a_message_that_is_too_long_is_cut() {
        let whole = "é".repeat(MAX_MESSAGE);
        assert_eq!(answered("2108", &whole).1, whole);
        assert_eq!(answered("2108", &format!("{whole}ab")).1, whole);
        let error = Some(format!("{whole}a"));
        assert_eq!(bounded(TaskResult { error, ..TaskResult::of(Uuid::nil()) }).error, Some(whole));
    }
}
