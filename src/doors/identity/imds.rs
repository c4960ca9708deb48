//! The metadata service of virtual machines.

use std::sync::Arc;

use super::asked::Asked;
use super::token::{Denied, given};
use super::{Shared, bad};
use crate::http::Response;

/// `GET /metadata/identity/oauth2/token`. Without its header it must be 400: that is how clients find out whether there is
/// a metadata service.
pub(super) async fn token(shared: Arc<Shared>, asked: Asked) -> Response {
    if !asked.has_metadata() {
        return bad("bad_request_102", "Required metadata header not specified");
    }
    given(&shared.state, &asked).await.map_or_else(Denied::answer, |given| given.answer())
}
