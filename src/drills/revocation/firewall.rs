//! The second vault's firewall: a trusted service passes it, then nothing does, then the address that it refused.

use super::State;
use crate::drills::drilled_factory::Denial;
use crate::drills::environment::Firewall;
use crate::drills::step::{Outcome, StepError, expect_refused};
use crate::remote::RequestError;

impl State {
    /// The operator, who is no trusted service, shows that the firewall is closed.
    pub(super) fn pass_as_trusted_service(&mut self) -> Outcome {
        self.set_firewall(Firewall::TrustedServices)?;
        let read = self.second_factory()?.read_all()?;
        let refused = self.ask_as_operator();
        let seen = expect_refused("another identity's request", refused, 403, Some("ForbiddenByFirewall"))?;
        Ok(format!("{read}; another identity is refused: {seen}"))
    }

    pub(super) fn shut_out(&mut self) -> Outcome {
        self.set_firewall(Firewall::Closed)?;
        self.second_factory()?.expect_all_denied(Denial::Firewall)
    }

    /// The address is the one that the vault saw: a proxy or a container's network may be between.
    pub(super) fn let_in(&mut self) -> Outcome {
        let refusal = self.ask_as_operator().err();
        let address = refusal.as_ref().and_then(RequestError::client_address);
        let address = address.ok_or_else(|| StepError::unexpected("no refusal names the address"))?;
        self.set_firewall(Firewall::Address(address))?;
        Ok(format!("{address}: {}", self.second_factory()?.read_all()?))
    }

    fn ask_as_operator(&self) -> Result<(), RequestError> {
        let Ok(second) = self.environment.second() else { return Ok(()) };
        self.environment.operator_at(second).key(self.key.name(), None).map(drop)
    }

    fn set_firewall(&mut self, firewall: Firewall) -> Result<(), StepError> {
        self.is_firewall_set = true;
        Ok(self.environment.controls()?.set_firewall(firewall)?)
    }
}

impl Drop for State {
    /// Other drills use the second vault too.
    fn drop(&mut self) {
        if self.is_firewall_set {
            let _ = self.set_firewall(Firewall::Open);
        }
    }
}
