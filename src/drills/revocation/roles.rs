//! Access by roles: the one that is taken away, one that does not help, and its return.

use super::State;
use crate::drills::drilled_factory::Denial;
use crate::drills::environment::Mode;
use crate::drills::step::Outcome;

impl State {
    pub(super) fn withdraw_role(&mut self) -> Outcome {
        let factory = self.factory_of(Mode::Roles)?;
        self.environment.controls()?.withdraw_role()?;
        factory.expect_all_denied(Denial::Permission)
    }

    pub(super) fn make_contributor(&mut self) -> Outcome {
        let factory = self.factory_of(Mode::Roles)?;
        self.environment.controls()?.make_contributor()?;
        factory.expect_all_denied(Denial::Permission)
    }

    pub(super) fn assign_role(&mut self) -> Outcome {
        let factory = self.factory_of(Mode::Roles)?;
        self.environment.controls()?.assign_role()?;
        factory.read_all()
    }
}
