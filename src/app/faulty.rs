//! The layer around the vaults that lets requests go wrong, as the rules of `faults` say.

use std::sync::Arc;

use hyper::StatusCode;

use crate::doors::vault;
use crate::faults::{Fault, Faults};
use crate::http::authority::Authority;
use crate::http::{ConnectionInfo, CutConnection, Request, Response, body};

/// Answers a request, unless a rule says that it goes wrong.
pub(super) async fn answer(
    faults: &Faults,
    door: &Arc<vault::Service>,
    request: Request,
    connection: ConnectionInfo,
) -> Response {
    let about = if faults.any() { door.about(&request).await } else { None };
    let fault = about.and_then(|(vault, operation)| faults.strike(vault.as_str(), operation.name));
    match fault {
        None => door.answer(request, connection).await,
        Some(fault) => wrong(fault, door, request, connection).await,
    }
}

async fn wrong(fault: Fault, door: &Arc<vault::Service>, request: Request, connection: ConnectionInfo) -> Response {
    match fault {
        Fault::Delay(pause) => {
            tokio::time::sleep(pause).await;
            door.answer(request, connection).await
        }
        Fault::CutBefore => cut(body::empty(StatusCode::OK)),
        Fault::CutAfter => cut(door.answer(request, connection).await),
        Fault::Status { status, retry_after } => {
            door.refuse(request, connection, vault::failure(status, retry_after)).await
        }
        Fault::TokenExpired => match Authority::of(&request) {
            Some(authority) => {
                let error = door.expired(&authority, connection);
                door.refuse(request, connection, error).await
            }
            None => door.answer(request, connection).await,
        },
    }
}

fn cut(mut answer: Response) -> Response {
    answer.extensions_mut().insert(CutConnection);
    answer
}
