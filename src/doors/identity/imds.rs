//! The form of IMDS, the metadata service of virtual machines.

use std::sync::Arc;

use super::token::{TokenDenied, issue_token};
use super::token_request::TokenRequest;
use super::{Shared, bad_request};
use crate::http::Response;

/// `GET /metadata/identity/oauth2/token`. Without the header it must be 400: clients probe for a metadata
/// service that way.
pub(super) async fn token(shared: Arc<Shared>, request: TokenRequest) -> Response {
    if !request.has_metadata() {
        return bad_request("bad_request_102", "Required metadata header not specified");
    }
    issue_token(&shared.state, &request).await.map_or_else(TokenDenied::response, |token| token.response())
}
