//! How many keys and secrets a server has, for the line that `serve` prints. The count is bounded: a start does not become long
//! by it.

use std::fmt;

use super::error::StartError;
use super::running::Running;
use crate::clock::Clock;
use crate::vault::Call;

/// The most objects that are counted.
const MAX_OBJECTS: usize = 1000;
/// The most vaults whose objects are counted.
const MAX_VAULTS: usize = 100;

/// The numbers of keys, secrets and vaults.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectCounts {
    keys: usize,
    secrets: usize,
    vaults: usize,
    /// Whether there may be more keys and secrets.
    is_bounded: bool,
}

impl Running {
    /// Counts the keys and secrets of all vaults, up to a limit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn count_objects(&self) -> Result<ObjectCounts, StartError> {
        let vaults = self.vaults.all().await?;
        let mut counts =
            ObjectCounts { vaults: vaults.len(), is_bounded: vaults.len() > MAX_VAULTS, ..ObjectCounts::default() };
        for vault in vaults.iter().take(MAX_VAULTS) {
            let Some(vault) = self.vaults.find(&vault.name).await? else { continue };
            let call = Call::by_server(vault, self.clock.now());
            let room = (MAX_OBJECTS + 1).saturating_sub(counts.keys + counts.secrets);
            counts.keys += self.vaults.keys(&call).count(room).await?;
            let room = (MAX_OBJECTS + 1).saturating_sub(counts.keys + counts.secrets);
            counts.secrets += self.vaults.secrets(&call).count(room).await?;
        }
        counts.is_bounded |= counts.keys + counts.secrets > MAX_OBJECTS;
        Ok(counts)
    }
}

impl fmt::Display for ObjectCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let Self { keys, secrets, vaults, is_bounded } = *self;
        match is_bounded {
            true => write!(f, "more than {} keys and secrets", (keys + secrets).min(MAX_OBJECTS))?,
            false => write!(f, "{keys} key{}, {secrets} secret{}", plural(keys), plural(secrets))?,
        }
        write!(f, " in {vaults} vault{}", plural(vaults))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_words_and_a_limit_is_said() {
        let counts = |keys, secrets, vaults, is_bounded| ObjectCounts { keys, secrets, vaults, is_bounded }.to_string();
        assert_eq!(counts(1, 2, 1, false), "1 key, 2 secrets in 1 vault");
        assert_eq!(counts(0, 0, 2, false), "0 keys, 0 secrets in 2 vaults");
        assert_eq!(counts(900, 101, 3, true), "more than 1000 keys and secrets in 3 vaults");
        assert_eq!(counts(3, 4, 500, true), "more than 7 keys and secrets in 500 vaults");
    }
}
