//! Keys as a collection: the operations that every kind has, and how they show keys.

use hyper::Method;

use super::super::authorized_request::AuthorizedRequest;
use super::super::collection::{Collection, CommonOperations};
use super::bundle::{self, KeyItem};
use super::request::UpdateKey;
use crate::http::Response;
use crate::http::error::ApiError;
use crate::operation::{Operation, Permission};
use crate::vault::keys::{KeyRecord, KeyUpdate, Keys};
use crate::vault::object::{DeletedObject, FoundVersion};

impl Collection for Keys {
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
    type UpdateBody = UpdateKey;
    type Item = KeyItem;

    fn parse_update(body: UpdateKey) -> Result<KeyUpdate, ApiError> {
        body.parse()
    }

    fn bundle(request: &AuthorizedRequest, found: &FoundVersion<KeyRecord>) -> Response {
        bundle::bundle(request, found)
    }

    fn deleted_bundle(request: &AuthorizedRequest, deleted: &DeletedObject<KeyRecord>) -> Response {
        bundle::deleted_bundle(request, deleted)
    }

    fn item(request: &AuthorizedRequest, found: &FoundVersion<KeyRecord>, versioned: bool) -> KeyItem {
        bundle::item(request, found, versioned)
    }

    fn deleted_item(request: &AuthorizedRequest, deleted: &DeletedObject<KeyRecord>) -> KeyItem {
        bundle::deleted_item(request, deleted)
    }
}

static LIST: Operation = Operation {
    name: "KeyList",
    method: Method::GET,
    path: "/keys",
    permission: Permission::keys("list", "keys/read"),
};

static LIST_VERSIONS: Operation = Operation {
    name: "KeyListVersions",
    method: Method::GET,
    path: "/keys/{name}/versions",
    permission: Permission::keys("list", "keys/read"),
};

static UPDATE: Operation = Operation {
    name: "KeyUpdate",
    method: Method::PATCH,
    path: "/keys/{name}/{version?}",
    permission: Permission::keys("update", "keys/update/action"),
};

static DELETE: Operation = Operation {
    name: "KeyDelete",
    method: Method::DELETE,
    path: "/keys/{name}",
    permission: Permission::keys("delete", "keys/delete"),
};

static LIST_DELETED: Operation = Operation {
    name: "KeyListDeleted",
    method: Method::GET,
    path: "/deletedkeys",
    permission: Permission::keys("list", "keys/read"),
};

static GET_DELETED: Operation = Operation {
    name: "KeyGetDeleted",
    method: Method::GET,
    path: "/deletedkeys/{name}",
    permission: Permission::keys("get", "keys/read"),
};

static RECOVER: Operation = Operation {
    name: "KeyRecover",
    method: Method::POST,
    path: "/deletedkeys/{name}/recover",
    permission: Permission::keys("recover", "keys/recover/action"),
};

static PURGE: Operation = Operation {
    name: "KeyPurge",
    method: Method::DELETE,
    path: "/deletedkeys/{name}",
    permission: Permission::keys("purge", "keys/purge/action"),
};

static BACKUP: Operation = Operation {
    name: "KeyBackup",
    method: Method::POST,
    path: "/keys/{name}/backup",
    permission: Permission::keys("backup", "keys/backup/action"),
};

static RESTORE: Operation = Operation {
    name: "KeyRestore",
    method: Method::POST,
    path: "/keys/restore",
    permission: Permission::keys("restore", "keys/restore/action"),
};
