//! The answer to a request that failed inside the server: 500, or 507 if a full disk caused it.

use std::error::Error;
use std::iter::successors;

use hyper::StatusCode;

use super::ControlError;
use super::request_body::bad_request;
use crate::files;
use crate::http::error::ApiError;
use crate::records::RecordError;
use crate::vault::Refusal;

/// Logs `error` and returns the answer, which never holds the cause.
pub(super) fn internal_error(error: &(dyn Error + 'static)) -> ApiError {
    tracing::error!(%error, "a request to the admin API failed");
    if successors(Some(error), |cause| (*cause).source()).any(is_disk_full) {
        return ApiError::disk_full();
    }
    let text = "An internal error occurred; the server's log says which.";
    ApiError::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", text)
}

fn is_disk_full(cause: &(dyn Error + 'static)) -> bool {
    let in_records = || cause.downcast_ref().is_some_and(RecordError::is_full);
    let in_vaults = || matches!(cause.downcast_ref(), Some(Refusal::Store(error)) if error.is_full());
    in_records() || in_vaults() || cause.downcast_ref().is_some_and(files::is_full)
}

impl From<ControlError> for ApiError {
    fn from(error: ControlError) -> Self {
        match error {
            ControlError::Invalid(why) => bad_request(why),
            ControlError::Refused(why) => super::conflict(why),
            ControlError::Failed(cause) => internal_error(&*cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;
    use crate::store::StoreError;
    use crate::tasks::ClockError;

    fn full() -> StoreError {
        StoreError::io("writing", io::ErrorKind::StorageFull.into())
    }

    #[test]
    fn only_what_a_full_disk_has_caused_is_507() {
        let clock = |error: RecordError| ClockError::from(error);
        for (error, status) in [
            (Box::<dyn Error>::from(RecordError::Store(full())), 507),
            (Refusal::Store(full()).into(), 507),
            (clock(full().into()).into(), 507),
            (io::Error::from(io::ErrorKind::StorageFull).into(), 507),
            (RecordError::Damaged { record: "r".into(), why: "w".into() }.into(), 500),
            (clock(StoreError::Closed.into()).into(), 500),
            (io::Error::from(io::ErrorKind::NotFound).into(), 500),
        ] {
            assert_eq!(internal_error(&*error).status.as_u16(), status, "{error}");
        }
        let control = |cause: Box<dyn Error + Send + Sync>| ApiError::from(ControlError::Failed(cause)).status.as_u16();
        assert_eq!((control(RecordError::Store(full()).into()), control("the work panicked".into())), (507, 500));
    }
}
