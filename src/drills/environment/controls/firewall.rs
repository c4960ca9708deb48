//! The firewall of the second vault. A vault that was there before has programs that must reach it.

use std::net::IpAddr;

use serde_json::json;

use super::Controls;
use crate::drills::admin::AdminError;

/// What the firewall lets in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Firewall {
    /// Every address.
    Open,
    /// Trusted services alone.
    TrustedServices,
    /// Nothing.
    Closed,
    /// One address, and trusted services no more than others.
    Address(IpAddr),
}

impl Controls {
    /// Sets the firewall of the second vault.
    pub(crate) fn set_firewall(&self, firewall: Firewall) -> Result<(), AdminError> {
        let Some((_, name)) = &self.vaults.second else { return Ok(()) };
        let (action, bypass, rules) = match firewall {
            Firewall::Open => ("Allow", "AzureServices", vec![]),
            Firewall::TrustedServices => ("Deny", "AzureServices", vec![]),
            Firewall::Closed => ("Deny", "None", vec![]),
            Firewall::Address(address) => ("Deny", "None", vec![address.to_string()]),
        };
        self.put(name, &json!({"networkAcls": {"defaultAction": action, "bypass": bypass, "ipRules": rules}}))
    }
}
