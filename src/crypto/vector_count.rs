//! For tests with vectors of others: how many there were of each kind.

/// How many vectors were to be accepted and refused, so that a filter that lets nothing through is noticed.
#[derive(Default)]
pub(super) struct VectorCount {
    accepted: usize,
    refused: usize,
}

impl VectorCount {
    pub(super) fn count(&mut self, accepted: bool) -> bool {
        *(if accepted { &mut self.accepted } else { &mut self.refused }) += 1;
        accepted
    }

    pub(super) fn is_at_least(&self, accepted: usize, refused: usize) {
        assert!(self.accepted >= accepted && self.refused >= refused, "{} and {}", self.accepted, self.refused);
    }
}
