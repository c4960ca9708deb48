//! App Service, whose form works unchanged in every language's client.

use std::sync::Arc;

use hyper::StatusCode;

use super::asked::Asked;
use super::token::{Denied, given};
use super::{Shared, refused};
use crate::http::Response;

/// `GET $IDENTITY_ENDPOINT` with `X-IDENTITY-HEADER`.
pub(super) async fn token(shared: Arc<Shared>, asked: Asked) -> Response {
    if !shared.door.knows_header(asked.header("x-identity-header")) {
        let why = "The X-IDENTITY-HEADER is missing or is not the value of IDENTITY_HEADER";
        return refused(StatusCode::UNAUTHORIZED, "unauthorized", why);
    }
    given(&shared.door, &asked).await.map_or_else(Denied::answer, |given| given.answer())
}
