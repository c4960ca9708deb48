//! What could not be put back, by the reason why, with what removes it.

use super::super::admin::AdminError;

/// What could not be put back.
#[derive(Default)]
pub(super) struct LeftBehind {
    by_reason: Vec<(String, Vec<String>)>,
}

impl LeftBehind {
    /// Adds what `what` says unless it was put back, or is gone already.
    pub(super) fn unless(&mut self, put_back: Result<(), AdminError>, what: impl FnOnce() -> String) {
        match put_back {
            Err(error) if !error.is_not_found => self.add(error.text, what()),
            _ => {}
        }
    }

    /// Adds `what`, which `reason` kept from being put back.
    pub(super) fn add(&mut self, reason: String, what: String) {
        match self.by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, all)) => all.push(what),
            None => self.by_reason.push((reason, vec![what])),
        }
    }

    /// The notes: each reason once, and after it what it left behind.
    pub(super) fn into_notes(self) -> Vec<String> {
        let notes = self.by_reason.into_iter().flat_map(|(reason, all)| {
            let first = format!("not everything could be put back: {reason}; left behind are, with what removes them:");
            std::iter::once(first).chain(all)
        });
        notes.collect()
    }
}

/// `why`, and after it on the same line the `notes` of what is left behind.
pub(super) fn in_one_line(why: String, notes: &[String]) -> String {
    notes.iter().fold(why, |line, note| {
        let gap = if line.ends_with(':') { " " } else { "; " };
        line + gap + note
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_is_said_once_and_what_is_gone_is_not_left_behind() {
        let mut left = LeftBehind::default();
        let failed = |why: &str| Err(AdminError::new(why));
        let gone = AdminError { is_not_found: true, ..AdminError::new("No identity is called 'a'.") };
        left.unless(Ok(()), || "none".to_owned());
        left.unless(Err(gone), || "none".to_owned());
        left.unless(failed("no answer"), || "the vault v: one".to_owned());
        left.unless(failed("busy"), || "the vault w: two".to_owned());
        left.unless(failed("no answer"), || "the vault x: three".to_owned());
        let because =
            |why| format!("not everything could be put back: {why}; left behind are, with what removes them:");
        let expected =
            [&because("no answer"), "the vault v: one", "the vault x: three", &because("busy"), "the vault w: two"];
        assert_eq!(left.into_notes(), expected);
    }
}
