//! What is left of a run's tasks.

/// Turns that ended tasks get to be gone.
const FAREWELLS: usize = 64;

/// Tasks that outlived everything that should have ended them.
pub(super) async fn leftovers() -> Vec<String> {
    let metrics = tokio::runtime::Handle::current().metrics();
    for _ in 0..FAREWELLS {
        if metrics.num_alive_tasks() == 0 {
            return Vec::new();
        }
        // A task that was told to end does so when it is next polled.
        tokio::task::yield_now().await;
    }
    vec![format!("{} tasks of the run", metrics.num_alive_tasks())]
}
