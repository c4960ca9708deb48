//! Any sequence of operations: the events of an object are sent one after another, and none is lost.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn pending(number: u64, object: u64) -> Pending {
    Pending { number, id: Uuid::from_u128(number.into()), object }
}

fn numbers(delivery: &[Delivery]) -> Vec<u64> {
    delivery.iter().map(|delivery| delivery.number).collect()
}

fn all_that_may_be_sent(queue: &mut Queue, now: Instant) -> Vec<Delivery> {
    std::iter::from_fn(|| queue.next(now)).collect()
}

#[test]
fn objects_go_beside_each_other_and_their_events_one_after_the_other() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for (number, object) in [(1, 1), (2, 1), (3, 2), (4, 2)] {
        queue.add(pending(number, object), now);
    }
    let sent = all_that_may_be_sent(&mut queue, now);
    assert_eq!(numbers(&sent), [1, 3]);
    let later = now + Duration::from_secs(10);
    assert!(queue.retry_at(&sent[0], later));
    assert!(queue.complete(&sent[1]));
    let sent = all_that_may_be_sent(&mut queue, now);
    assert_eq!(numbers(&sent), [4], "the second of object 1 waits while the first is being retried");
    assert_eq!(queue.due(now), Some(later));
    let sent = all_that_may_be_sent(&mut queue, later);
    assert_eq!((numbers(&sent), sent[0].attempts), (vec![1], 1));
    assert!(queue.complete(&sent[0]));
    assert_eq!(numbers(&all_that_may_be_sent(&mut queue, later)), [2]);
}

#[test]
fn a_delivery_that_ends_after_a_replacement_changes_nothing() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    queue.add(pending(1, 1), now);
    queue.add(pending(2, 2), now);
    let sent = all_that_may_be_sent(&mut queue, now);
    let another = Pending { id: Uuid::from_u128(100), ..pending(1, 1) };
    queue.replace(&[another, pending(2, 2), pending(3, 2)], now);
    assert!(!queue.complete(&sent[0]) && !queue.retry_at(&sent[0], now), "it is another event");
    assert_eq!(numbers(&all_that_may_be_sent(&mut queue, now)), [1], "2 is still on its way, 3 behind it");
    assert!(queue.complete(&sent[1]));
    assert_eq!(numbers(&all_that_may_be_sent(&mut queue, now)), [3]);
}

#[test]
fn the_oldest_are_too_much() {
    let (mut queue, now) = (Queue::default(), Instant::now());
    for number in 1..=5 {
        queue.add(pending(number, number % 2), now);
    }
    let away = queue.next(now).unwrap();
    assert_eq!(numbers(&queue.take_excess(3, 1)), [2], "1 is on its way");
    assert_eq!(numbers(&queue.take_excess(3, 9)), [3]);
    assert_eq!((away.number, queue.len()), (1, 3));
    assert_eq!(numbers(&all_that_may_be_sent(&mut queue, now)), [4]);
    assert!(queue.complete(&away));
    assert_eq!(numbers(&all_that_may_be_sent(&mut queue, now)), [5]);
}

/// What is done with the queue.
#[derive(Clone, Debug)]
enum Step {
    Add { object: u64 },
    Send,
    Done { which: usize },
    Again { which: usize, after: u64 },
    Wait { seconds: u64 },
    Replaced,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..4_u64).prop_map(|object| Step::Add { object }),
        Just(Step::Send),
        (0..8_usize).prop_map(|which| Step::Done { which }),
        (0..8_usize, 0..20_u64).prop_map(|(which, after)| Step::Again { which, after }),
        (0..10_u64).prop_map(|seconds| Step::Wait { seconds }),
        Just(Step::Replaced),
    ]
}

proptest! {
    #[test]
    fn events_of_an_object_are_delivered_in_order(steps in proptest::collection::vec(step(), 0..200)) {
        let (mut queue, mut now) = (Queue::default(), Instant::now());
        let (mut waiting, mut away, mut delivered): (Vec<Pending>, Vec<Delivery>, Vec<u64>) = (vec![], vec![], vec![]);
        let mut next = 1;
        for step in steps {
            match step {
                Step::Add { object } => {
                    waiting.push(pending(next, object));
                    queue.add(pending(next, object), now);
                    next += 1;
                }
                Step::Send => away.extend(queue.next(now)),
                Step::Done { which } if which < away.len() => {
                    let delivery = away.remove(which);
                    prop_assert!(queue.complete(&delivery));
                    waiting.retain(|pending| pending.number != delivery.number);
                    delivered.push(delivery.number);
                }
                Step::Again { which, after } if which < away.len() => {
                    let delivery = away.remove(which);
                    let sent_again = queue.retry_at(&delivery, now + Duration::from_secs(after));
                    prop_assert!(sent_again);
                }
                Step::Wait { seconds } => now += Duration::from_secs(seconds),
                Step::Replaced => queue.replace(&waiting, now),
                _ => {}
            }
            prop_assert_eq!(queue.len(), waiting.len());
            let object_of = |number: u64| waiting.iter().find(|pending| pending.number == number).map(|pending| pending.object);
            for delivery in &away {
                let first = waiting.iter().find(|pending| Some(pending.object) == object_of(delivery.number));
                prop_assert_eq!(first.map(|pending| pending.number), Some(delivery.number), "an earlier one is not delivered yet");
            }
        }
        // Time passes, everything is taken: nothing is left.
        now += Duration::from_secs(100);
        loop {
            for delivery in std::mem::take(&mut away) {
                queue.complete(&delivery);
                delivered.push(delivery.number);
            }
            away = all_that_may_be_sent(&mut queue, now);
            if away.is_empty() {
                break;
            }
        }
        prop_assert_eq!(queue.len(), 0);
        delivered.sort_unstable();
        prop_assert_eq!(delivered, (1..next).collect::<Vec<_>>());
    }
}
