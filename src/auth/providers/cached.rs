//! Something that takes a request to know, kept for a while.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::Mutex;

use super::ProviderError;

type Outcome<T> = Result<Arc<T>, ProviderError>;

/// Something that takes a request to know. However many want it at once, one request is sent, and all have its answer
/// or its failure; a failure is forgotten at once.
pub struct Cached<T> {
    keep: Duration,
    kept: Mutex<Kept<T>>,
}

struct Kept<T> {
    /// The last answer, and when it came.
    last: Option<(Outcome<T>, Instant)>,
    /// When it was last asked for before its time.
    renewed: Option<Instant>,
}

impl<T> Cached<T> {
    /// Keeps what is known for so long.
    pub fn new(keep: Duration) -> Self {
        Self {
            keep,
            kept: Mutex::new(Kept {
                last: None,
                renewed: None,
            }),
        }
    }

    /// What is known, or what `ask` answers.
    pub async fn get(&self, ask: impl AsyncFnOnce() -> Result<T, ProviderError>) -> Outcome<T> {
        let wanted = Instant::now();
        let mut kept = self.kept.lock().await;
        if let Some((outcome, came)) = &kept.last {
            let came_while_waiting = *came >= wanted;
            if came_while_waiting || (outcome.is_ok() && came.elapsed() < self.keep) {
                return outcome.clone();
            }
        }
        let outcome = ask().await.map(Arc::new);
        kept.last = Some((outcome.clone(), Instant::now()));
        outcome
    }

    /// What `ask` answers now, because what is known did not serve: at most once in `rest`, and not when somebody else
    /// was faster. `None`: it stays as it is.
    pub async fn renew(
        &self,
        known: &Arc<T>,
        rest: Duration,
        ask: impl AsyncFnOnce() -> Result<T, ProviderError>,
    ) -> Option<Outcome<T>> {
        let mut kept = self.kept.lock().await;
        if let Some((Ok(last), _)) = &kept.last
            && !Arc::ptr_eq(last, known)
        {
            return Some(Ok(Arc::clone(last)));
        }
        if kept.renewed.is_some_and(|renewed| renewed.elapsed() < rest) {
            return None;
        }
        kept.renewed = Some(Instant::now());
        let outcome = ask().await.map(Arc::new);
        // What is known may still serve others.
        if outcome.is_ok() {
            kept.last = Some((outcome.clone(), Instant::now()));
        }
        Some(outcome)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;
    use crate::auth::providers::Cause;

    const HOUR: Duration = Duration::from_hours(1);

    /// Counts how often it is asked.
    struct Source(AtomicUsize);

    impl Source {
        async fn answer(&self) -> Result<usize, ProviderError> {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(self.0.fetch_add(1, Ordering::Relaxed))
        }

        async fn fail(&self) -> Result<usize, ProviderError> {
            self.answer().await?;
            Err(ProviderError::Exchange(Cause::new("down")))
        }

        fn asked(&self) -> usize {
            self.0.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn many_who_want_it_send_one_request() {
        let (cached, source) = (Cached::new(HOUR), Source(AtomicUsize::new(0)));
        let all = join_all((0..20).map(|_| cached.get(async || source.answer().await))).await;
        assert!(all.iter().all(|answer| **answer.as_ref().unwrap() == 0));
        assert_eq!(source.asked(), 1);
    }

    #[tokio::test]
    async fn a_failure_is_shared_by_who_waited_and_then_forgotten() {
        let (cached, source) = (Cached::new(HOUR), Source(AtomicUsize::new(0)));
        let all = join_all((0..20).map(|_| cached.get(async || source.fail().await))).await;
        assert!(all.iter().all(Result::is_err));
        assert_eq!(source.asked(), 1);
        let answer = cached.get(async || source.answer().await).await.unwrap();
        assert_eq!(*answer, 1);
    }

    #[tokio::test]
    async fn what_is_old_is_asked_for_again() {
        let (cached, source) = (Cached::new(Duration::ZERO), Source(AtomicUsize::new(0)));
        for expected in 0..3 {
            let answer = cached.get(async || source.answer().await).await.unwrap();
            assert_eq!(*answer, expected);
        }
    }

    #[tokio::test]
    async fn it_is_renewed_once_in_a_while_however_often_it_is_wanted() {
        let (cached, source) = (Cached::new(HOUR), Source(AtomicUsize::new(0)));
        let old = cached.get(async || source.answer().await).await.unwrap();
        let renew = || cached.renew(&old, HOUR, async || source.answer().await);
        let all = join_all((0..20).map(|_| renew())).await;
        assert!(
            all.iter()
                .all(|new| **new.as_ref().unwrap().as_ref().unwrap() == 1)
        );
        assert_eq!(source.asked(), 2);
        let new = cached.get(async || source.answer().await).await.unwrap();
        let again = cached
            .renew(&new, HOUR, async || source.answer().await)
            .await;
        assert!(again.is_none());
        assert_eq!(source.asked(), 2);
    }
}
