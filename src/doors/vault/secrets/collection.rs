//! Secrets as a collection: the operations that every kind has, and how they show secrets.

use hyper::Method;

use super::super::authorized_request::AuthorizedRequest;
use super::super::collection::{Collection, CommonOperations};
use super::bundle::{self, SecretItem};
use super::request::UpdateSecret;
use crate::http::Response;
use crate::http::error::ApiError;
use crate::operation::{Operation, Permission};
use crate::vault::object::{DeletedObject, FoundVersion};
use crate::vault::secrets::{SecretRecord, SecretUpdate, Secrets};

impl Collection for Secrets {
    const OPERATIONS: CommonOperations = CommonOperations {
        list: &LIST,
        list_versions: &LIST_VERSIONS,
        update: &UPDATE,
        delete: &DELETE,
        list_deleted: &LIST_DELETED,
        get_deleted: &GET_DELETED,
        recover: &RECOVER,
        purge: &PURGE,
        backup: &BACKUP,
        restore: &RESTORE,
    };
    type UpdateBody = UpdateSecret;
    type Item = SecretItem;

    fn parse_update(body: UpdateSecret) -> Result<SecretUpdate, ApiError> {
        body.parse()
    }

    fn bundle(request: &AuthorizedRequest, found: &FoundVersion<SecretRecord>) -> Response {
        bundle::bundle(request, found)
    }

    fn deleted_bundle(request: &AuthorizedRequest, deleted: &DeletedObject<SecretRecord>) -> Response {
        bundle::deleted_bundle(request, deleted)
    }

    fn item(request: &AuthorizedRequest, found: &FoundVersion<SecretRecord>, versioned: bool) -> SecretItem {
        bundle::item(request, found, versioned)
    }

    fn deleted_item(request: &AuthorizedRequest, deleted: &DeletedObject<SecretRecord>) -> SecretItem {
        bundle::deleted_item(request, deleted)
    }
}

static LIST: Operation = Operation {
    name: "SecretList",
    method: Method::GET,
    path: "/secrets",
    permission: Permission::secrets("list", "secrets/readMetadata/action"),
};

static LIST_VERSIONS: Operation = Operation {
    name: "SecretListVersions",
    method: Method::GET,
    path: "/secrets/{name}/versions",
    permission: Permission::secrets("list", "secrets/readMetadata/action"),
};

static UPDATE: Operation = Operation {
    name: "SecretUpdate",
    method: Method::PATCH,
    path: "/secrets/{name}/{version?}",
    permission: Permission::secrets("set", "secrets/update/action"),
};

static DELETE: Operation = Operation {
    name: "SecretDelete",
    method: Method::DELETE,
    path: "/secrets/{name}",
    permission: Permission::secrets("delete", "secrets/delete"),
};

static LIST_DELETED: Operation = Operation {
    name: "SecretListDeleted",
    method: Method::GET,
    path: "/deletedsecrets",
    permission: Permission::secrets("list", "secrets/readMetadata/action"),
};

static GET_DELETED: Operation = Operation {
    name: "SecretGetDeleted",
    method: Method::GET,
    path: "/deletedsecrets/{name}",
    permission: Permission::secrets("get", "secrets/readMetadata/action"),
};

static RECOVER: Operation = Operation {
    name: "SecretRecover",
    method: Method::POST,
    path: "/deletedsecrets/{name}/recover",
    permission: Permission::secrets("recover", "secrets/recover/action"),
};

static PURGE: Operation = Operation {
    name: "SecretPurge",
    method: Method::DELETE,
    path: "/deletedsecrets/{name}",
    permission: Permission::secrets("purge", "secrets/purge/action"),
};

static BACKUP: Operation = Operation {
    name: "SecretBackup",
    method: Method::POST,
    path: "/secrets/{name}/backup",
    permission: Permission::secrets("backup", "secrets/backup/action"),
};

static RESTORE: Operation = Operation {
    name: "SecretRestore",
    method: Method::POST,
    path: "/secrets/restore",
    permission: Permission::secrets("restore", "secrets/restore/action"),
};
