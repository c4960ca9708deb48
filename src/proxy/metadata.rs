//! The metadata address, of whose many services this server stands in for one: everything below `/metadata/`.

use std::sync::Arc;

use hyper::StatusCode;

use crate::http::{RequestHandler, body};

/// What `answer` answers below `/metadata/`, and nothing else of it.
pub(super) fn alone(answer: RequestHandler) -> RequestHandler {
    Arc::new(move |request, arrival| {
        let mut segments = request.uri().path().split('/').filter(|segment| !segment.is_empty());
        if segments.next().is_some_and(|first| first.eq_ignore_ascii_case("metadata")) {
            return answer(request, arrival);
        }
        let why = "This server stands in for /metadata/ of this address alone.\n";
        Box::pin(async move { body::text(StatusCode::NOT_FOUND, why) })
    })
}
