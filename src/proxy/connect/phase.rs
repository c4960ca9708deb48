//! The phases of a `CONNECT`, as a state machine that does no input or output: [`Phase::next`] decides what follows an
//! event, and the parent module performs it.
//!
//! A target that is a name is decided by the name alone:
//! ```text
//! Received ─► Local | Metadata
//! Received ─► Dialing ─► Tunnel
//! ```
//! A client that resolves names itself asks for an address. Its ClientHello names the host then, and decides as the name in
//! the request would have; nothing that the client sends goes out before. A client that is silent may wait for a server that
//! speaks first, so the address is dialed after a while:
//! ```text
//! Received ─► ClientSilent ─► DialingEarly ─► BothSilent ─► Tunnel
//!                  └────► ReadingClientHello ◄────┘
//!                                 └► Local | DialingLate ─► Tunnel | Refused
//! ```

use hyper::StatusCode;

use crate::proxy::HostClass;
use crate::proxy::error::ProxyError;
use crate::proxy::route::{Route, only_https_port};
use crate::proxy::target::{HTTPS, Target};

/// What a `CONNECT` waits for, or how it was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The target is known and not routed yet.
    Received,
    /// The target is dialed; the client is answered afterwards.
    Dialing,
    /// The client was answered and has sent nothing.
    ClientSilent,
    /// The target is dialed, because its server may speak first.
    DialingEarly,
    /// The target is connected, and neither side has sent anything.
    BothSilent,
    /// The client has begun a ClientHello.
    ReadingClientHello {
        /// Whether the target is connected.
        is_connected: bool,
    },
    /// The target is dialed, because the client's first bytes go there.
    DialingLate,
    /// Final: this server answers for the cloud host of this name.
    Local(String),
    /// Final: this server answers for the metadata service.
    Metadata,
    /// Final: bytes are relayed between the client and the target.
    Tunnel,
    /// Final: the connection is closed, because the host of this name must not be reached.
    Refused(String),
    /// Final: the connection is closed because of an error.
    Failed(ProxyError),
    /// Final: the connection is closed, because one side or the server has ended.
    Closed,
}

/// What happens to a `CONNECT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The target was routed.
    Routed(Route),
    /// The target is connected.
    Dialed,
    /// The target could not be connected.
    DialFailed(ProxyError),
    /// The client has sent a part of a ClientHello.
    ClientSent,
    /// The client's first bytes suffice: they are for a host of this name and class.
    ClientIdentified(String, HostClass),
    /// The client has sent nothing, or not enough, for the time that the phase allows.
    ClientTimedOut,
    /// The target's server has sent its first bytes.
    UpstreamSent,
    /// The client or the target has closed its connection, or the server stops.
    Ended,
}

impl Phase {
    /// The phase that follows `event`.
    pub(super) fn next(self, event: Event, target: &Target) -> Self {
        match (self, event) {
            (Self::Received, Event::Routed(route)) => Self::routed(route, target),
            (Self::Dialing | Self::DialingLate, Event::Dialed) => Self::Tunnel,
            (Self::DialingEarly, Event::Dialed) => Self::BothSilent,
            (Self::Dialing | Self::DialingEarly | Self::DialingLate, Event::DialFailed(error)) => Self::Failed(error),
            (Self::ClientSilent, Event::ClientTimedOut) => Self::DialingEarly,
            (Self::BothSilent, Event::UpstreamSent) => Self::Tunnel,
            (Self::ReadingClientHello { .. }, Event::ClientTimedOut) => Self::Failed(too_slow(target)),
            (phase @ (Self::ClientSilent | Self::BothSilent | Self::ReadingClientHello { .. }), event) => {
                phase.client_sent(event)
            }
            _ => Self::Closed,
        }
    }

    fn routed(route: Route, target: &Target) -> Self {
        match route {
            Route::Local => match only_https_port(target) {
                Ok(()) => Self::Local(target.host().to_owned()),
                Err(error) => Self::Failed(error),
            },
            Route::Metadata => Self::Metadata,
            Route::Upstream if target.address().is_some() && target.port() == HTTPS => Self::ClientSilent,
            Route::Upstream => Self::Dialing,
        }
    }

    fn client_sent(self, event: Event) -> Self {
        let is_connected = matches!(self, Self::BothSilent | Self::ReadingClientHello { is_connected: true });
        match event {
            Event::ClientSent => Self::ReadingClientHello { is_connected },
            Event::ClientIdentified(host, HostClass::TakenOver) => Self::Local(host),
            Event::ClientIdentified(host, HostClass::NotEmulated | HostClass::Misnamed(_)) => Self::Refused(host),
            Event::ClientIdentified(_, HostClass::External | HostClass::Allowed) if is_connected => Self::Tunnel,
            Event::ClientIdentified(_, HostClass::External | HostClass::Allowed) => Self::DialingLate,
            _ => Self::Closed,
        }
    }

    /// Whether the client still waits for the answer to its `CONNECT`.
    pub(super) const fn precedes_answer(&self) -> bool {
        matches!(self, Self::Received | Self::Dialing)
    }

    /// Whether no event changes the phase any more.
    pub(super) const fn is_final(&self) -> bool {
        matches!(
            self,
            Self::Local(_) | Self::Metadata | Self::Tunnel | Self::Refused(_) | Self::Failed(_) | Self::Closed
        )
    }
}

fn too_slow(target: &Target) -> ProxyError {
    let why = format!("{target} is refused: the client did not complete its first message of TLS in time.");
    ProxyError::new(StatusCode::REQUEST_TIMEOUT, why)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn target(text: &str) -> Target {
        Target::from_connect(&text.parse().unwrap()).unwrap()
    }

    /// The phase after `events`, for a client that asked for `text`.
    fn after(text: &str, events: impl IntoIterator<Item = Event>) -> Phase {
        events.into_iter().fold(Phase::Received, |phase, event| phase.next(event, &target(text)))
    }

    fn identified(class: HostClass) -> Event {
        Event::ClientIdentified("host.example".to_owned(), class)
    }

    const ADDRESS: &str = "192.0.2.1:443";
    const UPSTREAM: Event = Event::Routed(Route::Upstream);

    #[test]
    fn a_taken_over_name_is_answered_here_on_its_own_port_alone() {
        let local = || [Event::Routed(Route::Local)];
        assert_eq!(after("acme.vault.azure.net:443", local()), Phase::Local("acme.vault.azure.net".to_owned()));
        let Phase::Failed(error) = after("acme.vault.azure.net:8443", local()) else { panic!("another port") };
        assert_eq!(error.status, StatusCode::FORBIDDEN);
        assert_eq!(after("169.254.169.254:80", [Event::Routed(Route::Metadata)]), Phase::Metadata);
    }

    #[test]
    fn a_name_is_dialed_before_the_client_is_answered() {
        for text in ["example.com:443", "example.com:22", "192.0.2.1:22"] {
            let dialing = after(text, [UPSTREAM]);
            assert!(dialing == Phase::Dialing && dialing.precedes_answer(), "{text}");
            assert_eq!(after(text, [UPSTREAM, Event::Dialed]), Phase::Tunnel, "{text}");
        }
    }

    #[test]
    fn a_host_that_cannot_be_dialed_fails_in_every_phase_that_dials() {
        let error = ProxyError::new(StatusCode::BAD_GATEWAY, "no route");
        let failed = || Event::DialFailed(error.clone());
        let (silent, late) = (Event::ClientTimedOut, identified(HostClass::External));
        assert_eq!(after("example.com:443", [UPSTREAM, failed()]), Phase::Failed(error.clone()));
        assert_eq!(after(ADDRESS, [UPSTREAM, silent, failed()]), Phase::Failed(error.clone()));
        assert_eq!(after(ADDRESS, [UPSTREAM, late, failed()]), Phase::Failed(error.clone()));
    }

    #[test]
    fn the_server_name_decides_for_an_address() {
        let events = |class| [UPSTREAM, Event::ClientSent, Event::ClientSent, identified(class)];
        assert_eq!(after(ADDRESS, events(HostClass::TakenOver)), Phase::Local("host.example".to_owned()));
        for refused in [HostClass::NotEmulated, HostClass::Misnamed("no name")] {
            assert_eq!(after(ADDRESS, events(refused)), Phase::Refused("host.example".to_owned()));
        }
        assert_eq!(after(ADDRESS, events(HostClass::External)), Phase::DialingLate);
        assert_eq!(after(ADDRESS, events(HostClass::Allowed)), Phase::DialingLate);
        let dialed = events(HostClass::External).into_iter().chain([Event::Dialed]);
        assert_eq!(after(ADDRESS, dialed), Phase::Tunnel);
    }

    #[test]
    fn a_server_may_speak_before_a_silent_client() {
        let both_silent = || [UPSTREAM, Event::ClientTimedOut, Event::Dialed].into_iter();
        assert_eq!(after(ADDRESS, both_silent()), Phase::BothSilent);
        assert_eq!(after(ADDRESS, both_silent().chain([Event::UpstreamSent])), Phase::Tunnel);
        assert_eq!(after(ADDRESS, both_silent().chain([Event::ClientTimedOut])), Phase::Closed, "idle for too long");
    }

    #[test]
    fn a_connected_target_is_not_dialed_again() {
        let late = [UPSTREAM, Event::ClientTimedOut, Event::Dialed, Event::ClientSent];
        assert_eq!(after(ADDRESS, late.clone()), Phase::ReadingClientHello { is_connected: true });
        assert_eq!(after(ADDRESS, late.into_iter().chain([identified(HostClass::External)])), Phase::Tunnel);
    }

    #[test]
    fn a_client_must_complete_its_hello_in_time() {
        let Phase::Failed(error) = after(ADDRESS, [UPSTREAM, Event::ClientSent, Event::ClientTimedOut]) else {
            panic!("an unfinished hello")
        };
        assert_eq!(error.status, StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn an_end_closes_whatever_waits() {
        for events in [vec![], vec![Event::ClientSent], vec![Event::ClientTimedOut, Event::Dialed]] {
            let events = std::iter::once(UPSTREAM).chain(events).chain([Event::Ended]);
            assert_eq!(after(ADDRESS, events), Phase::Closed);
        }
    }

    fn events() -> impl Strategy<Value = Vec<Event>> {
        let class = prop_oneof![Just(HostClass::TakenOver), Just(HostClass::NotEmulated), Just(HostClass::External)];
        let event = prop_oneof![
            Just(Event::Dialed),
            Just(Event::DialFailed(ProxyError::new(StatusCode::BAD_GATEWAY, "no route"))),
            Just(Event::ClientSent),
            class.prop_map(identified),
            Just(Event::ClientTimedOut),
            Just(Event::UpstreamSent),
            Just(Event::Ended),
        ];
        proptest::collection::vec(event, 0..8)
    }

    proptest! {
        /// Whatever comes in whatever order.
        #[test]
        fn only_a_dialed_target_that_may_be_reached_is_tunnelled(events in events()) {
            if after(ADDRESS, std::iter::once(UPSTREAM).chain(events.clone())) == Phase::Tunnel {
                prop_assert!(events.contains(&Event::Dialed));
                prop_assert!(events.contains(&Event::UpstreamSent) || events.contains(&identified(HostClass::External)));
            }
        }

        #[test]
        fn every_connection_is_decided_or_waits(events in events()) {
            let phase = after(ADDRESS, std::iter::once(UPSTREAM).chain(events));
            prop_assert!(!phase.precedes_answer(), "an answered client is never answered again: {phase:?}");
        }
    }
}
