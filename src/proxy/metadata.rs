//! The instance metadata address: of the services there, this server emulates the one below `/metadata/`.

use std::sync::Arc;

use hyper::StatusCode;

use crate::http::{RequestHandler, body};

/// Restricts `answer` to paths below `/metadata/`; every other path is 404.
pub(super) fn only_metadata(answer: RequestHandler) -> RequestHandler {
    Arc::new(move |request, arrival| {
        let mut segments = request.uri().path().split('/').filter(|segment| !segment.is_empty());
        if segments.next().is_some_and(|first| first.eq_ignore_ascii_case("metadata")) {
            return answer(request, arrival);
        }
        let why = "This server stands in for /metadata/ of this address alone.\n";
        Box::pin(async move { body::text(StatusCode::NOT_FOUND, why) })
    })
}
