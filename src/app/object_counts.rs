//! How many objects of each kind a server has, for the line that `serve` prints. The count is bounded: a start does not become long
//! by it.

use std::fmt;

use super::error::StartError;
use super::running::Running;
use crate::vault::Kind;

/// The most objects that are counted.
const MAX_OBJECTS: usize = 1000;
/// The most vaults whose objects are counted.
const MAX_VAULTS: usize = 100;

/// The numbers of vaults, and of objects in them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ObjectCounts {
    /// By kind, in the order of [`Kind::ALL`].
    objects: Vec<(Kind, usize)>,
    vaults: usize,
    /// Whether there may be more objects.
    is_bounded: bool,
}

impl Running {
    /// Counts the objects of all vaults, up to a limit.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn count_objects(&self) -> Result<ObjectCounts, StartError> {
        let vaults = self.vaults.all().await?;
        let objects = Kind::ALL.iter().map(|kind| (*kind, 0)).collect();
        let mut counts = ObjectCounts { objects, vaults: vaults.len(), is_bounded: vaults.len() > MAX_VAULTS };
        for vault in vaults.iter().take(MAX_VAULTS) {
            for index in 0..Kind::ALL.len() {
                let room = (MAX_OBJECTS + 1).saturating_sub(counts.all());
                let (kind, count) = &mut counts.objects[index];
                *count += self.vaults.count_live(vault, *kind, room).await?;
            }
        }
        counts.is_bounded |= counts.all() > MAX_OBJECTS;
        Ok(counts)
    }
}

impl ObjectCounts {
    fn all(&self) -> usize {
        self.objects.iter().map(|(_, count)| count).sum()
    }
}

impl fmt::Display for ObjectCounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |count: usize| if count == 1 { "" } else { "s" };
        let counted = |(kind, count): &(Kind, usize)| format!("{count} {}{}", kind.singular(), plural(*count));
        let kinds = || self.objects.iter().map(|(kind, _)| kind.collection());
        match self.is_bounded {
            true => {
                let kinds = kinds().collect::<Vec<_>>().join(" and ");
                write!(f, "more than {} {kinds}", self.all().min(MAX_OBJECTS))?;
            }
            false => f.write_str(&self.objects.iter().map(counted).collect::<Vec<_>>().join(", "))?,
        }
        write!(f, " in {} vault{}", self.vaults, plural(self.vaults))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_words_and_a_limit_is_said() {
        let counts = |keys, secrets, vaults, is_bounded| {
            let objects = vec![(Kind::Key, keys), (Kind::Secret, secrets)];
            ObjectCounts { objects, vaults, is_bounded }.to_string()
        };
        assert_eq!(counts(1, 2, 1, false), "1 key, 2 secrets in 1 vault");
        assert_eq!(counts(0, 0, 2, false), "0 keys, 0 secrets in 2 vaults");
        assert_eq!(counts(900, 101, 3, true), "more than 1000 keys and secrets in 3 vaults");
        assert_eq!(counts(3, 4, 500, true), "more than 7 keys and secrets in 500 vaults");
    }
}
