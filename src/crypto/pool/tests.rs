use std::sync::mpsc;
use std::time::{Duration, Instant};

use super::*;

/// Keeps a thread busy until the returned sender is dropped; returns once the thread has begun.
async fn occupy(pool: &Pool, kind: JobKind) -> mpsc::Sender<()> {
    let (release, released) = mpsc::channel::<()>();
    let (begin, begun) = oneshot::channel();
    let pool = pool.clone();
    tokio::spawn(async move {
        let wait = move || {
            begin.send(()).unwrap();
            let _ = released.recv();
        };
        pool.submit(kind, wait).await
    });
    begun.await.unwrap();
    release
}

/// Puts work in the queue and goes away.
async fn abandon(pool: &Pool, kind: JobKind, work: impl FnOnce() + Send + 'static) {
    assert!(tokio::time::timeout(Duration::ZERO, pool.submit(kind, work)).await.is_err());
}

#[tokio::test]
async fn the_result_of_the_work_comes_back() {
    let pool = Pool::start(2, 8);
    assert_eq!(pool.run(|| 6 * 7).await, Ok(42));
    assert_eq!(pool.generate(|| "key").await, Ok("key"));
    let name = pool.run(|| thread::current().name().map(str::to_owned)).await.unwrap().unwrap();
    assert!(name.starts_with("keyhaven-crypto-"), "{name}");
}

#[tokio::test]
async fn a_panic_is_reported_and_the_thread_goes_on() {
    let pool = Pool::start(1, 8);
    for _ in 0..3 {
        assert_eq!(pool.run(|| panic!("a panic that the test wants")).await, Err::<(), _>(PoolError::Panicked));
        assert_eq!(pool.generate(|| panic!("another")).await, Err::<(), _>(PoolError::Panicked));
        assert_eq!(pool.run(|| 1).await, Ok(1));
        assert_eq!(pool.generate(|| 2).await, Ok(2));
    }
}

#[tokio::test]
async fn each_queue_is_full_at_its_bound() {
    let pool = Pool::start(1, 1);
    let release = occupy(&pool, JobKind::KeyUse).await;
    for kind in [JobKind::KeyUse, JobKind::Generation] {
        abandon(&pool, kind, || ()).await;
        assert_eq!(pool.submit(kind, || ()).await, Err(PoolError::Full));
    }
    drop(release);
    while pool.run(|| ()).await == Err(PoolError::Full) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn abandoned_work_is_not_run() {
    let pool = Pool::start(1, 8);
    let release = occupy(&pool, JobKind::KeyUse).await;
    let (sender, receiver) = mpsc::channel();
    abandon(&pool, JobKind::KeyUse, move || sender.send(()).unwrap()).await;
    drop(release);
    assert_eq!(pool.run(|| 1).await, Ok(1));
    assert_eq!(receiver.recv(), Err(mpsc::RecvError));
}

#[tokio::test]
async fn generations_leave_a_thread_to_operations() {
    let pool = Pool::start(2, 8);
    let _generating = occupy(&pool, JobKind::Generation).await;
    abandon(&pool, JobKind::Generation, || ()).await;
    for expected in 0..100 {
        assert_eq!(pool.run(move || expected).await, Ok(expected));
    }
    assert_eq!(pool.0.0.lock().generations.len(), 1);
}

#[tokio::test]
async fn waiting_operations_go_before_waiting_generations() {
    let pool = Pool::start(1, 8);
    let release = occupy(&pool, JobKind::KeyUse).await;
    let (sender, order) = mpsc::channel();
    let note = |what| {
        let sender = sender.clone();
        move || sender.send(what).unwrap()
    };
    // The three are polled in this order, so both wait when the thread is released.
    let (generation, operation, ()) =
        tokio::join!(pool.generate(note("generation")), pool.run(note("operation")), async { drop(release) });
    assert_eq!((generation, operation), (Ok(()), Ok(())));
    drop(sender);
    assert_eq!(order.iter().collect::<Vec<_>>(), ["operation", "generation"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_at_once_all_get_their_own_result() {
    let pool = Pool::start(3, 1000);
    let mut callers = tokio::task::JoinSet::new();
    for number in 0..1000 {
        let pool = pool.clone();
        callers.spawn(async move {
            let result =
                if number % 3 == 0 { pool.generate(move || number).await } else { pool.run(move || number).await };
            assert_eq!(result, Ok(number));
        });
    }
    tokio::time::timeout(Duration::from_secs(20), callers.join_all()).await.expect("no wake-up is lost");
}

#[tokio::test]
async fn a_stopped_pool_runs_nothing_more() {
    let pool = Pool::start(1, 8);
    let _occupied = occupy(&pool, JobKind::KeyUse).await;
    let (waiting, ()) = tokio::join!(pool.run(|| 1), async { pool.stop() });
    assert_eq!(waiting, Err(PoolError::Stopped));
    assert_eq!(pool.run(|| 1).await, Err(PoolError::Stopped));
}

#[tokio::test]
async fn the_threads_end_with_the_last_handle() {
    let pool = Pool::start(3, 8);
    let shared = Arc::downgrade(&pool.0.0);
    let other = pool.clone();
    drop(pool);
    assert_eq!(other.run(|| 1).await, Ok(1));
    drop(other);
    let deadline = Instant::now() + Duration::from_secs(10);
    while shared.strong_count() > 0 {
        assert!(Instant::now() < deadline, "a thread goes on");
        thread::sleep(Duration::from_millis(1));
    }
}
