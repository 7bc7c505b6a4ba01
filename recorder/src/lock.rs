//! Taking a mutex.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Waits for the mutex. A poisoned one is used on: what it guards is whole between statements, and a thread that
/// panicked must not take the others with it.
#[inline]
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_thread_that_panicked_has_left_is_used_on() {
        let shared = Mutex::new(1);
        let ended = std::thread::scope(|scope| {
            let broken = || {
                *lock(&shared) = 2;
                let _held = lock(&shared);
                panic!("expected by the test");
            };
            scope.spawn(broken).join()
        });
        assert!(ended.is_err() && shared.is_poisoned());
        assert_eq!(*lock(&shared), 2);
    }
}
