//! A private, durable Postgres for the time of one measurement.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use rollcall::postgres::{Cluster, ClusterOptions, Durability};

/// Measures on a cluster in a folder of its own, which is removed at the end, also if somebody interrupts.
pub fn on_a_cluster(measure: impl AsyncFnOnce(&Cluster, &Path)) {
    let folder = Folder::make();
    // Here, because the server stops with the thread that started it.
    let cluster = Cluster::start(&ClusterOptions {
        data_dir: folder.0.clone(),
        postgres_bin: None,
        durability: Durability::Durable,
    })
    .unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        tokio::select! {
            () = measure(&cluster, &folder.0) => {}
            _ = tokio::signal::ctrl_c() => eprintln!("interrupted"),
        }
    });
    drop(runtime);
    cluster.stop().unwrap();
}

/// The folder of the measurement, removed at its end.
struct Folder(PathBuf);

impl Folder {
    /// Not in the system's usual folder for short-lived files, which is often in memory: then nothing is durable.
    fn make() -> Self {
        let parent = env::var_os("TMPDIR").unwrap_or_else(|| "/var/tmp".into());
        let folder = Path::new(&parent).join(format!("rollcall-bench-{}", std::process::id()));
        fs::create_dir(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}
