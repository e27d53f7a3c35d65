//! Files that a container has written as a user other than that of the supervisor.

use std::os::unix::fs::MetadataExt;

use super::super::closed_files;
use super::*;

/// A user who is not that of the tests.
const OTHER_USER: u32 = 54_321;

#[tokio::test]
async fn files_of_another_user_are_taken_over() {
    let script = "umask 077; echo x >/output/closed; busybox mkdir -p /output/dir/deep; \
                  busybox head -c 300000 /dev/zero >/output/dir/deep/f; touch /output/dir/empty; \
                  busybox chmod 700 /output/dir/deep/f; umask 022; echo z >/output/open; \
                  busybox mkdir -p /artifacts/a; umask 077; echo a >/artifacts/a/b";
    let mut case = Case::with(script, |setup| {
        setup.artifacts_dir = Some(ContainerPath::new("/artifacts").unwrap());
        std::fs::create_dir(setup.directory.artifacts()).unwrap();
    })
    .await;
    let end = case.step(Step::Job { time_left: None }).await;
    assert_eq!(end, StepExit::Finished(Ok(Json::null())));
    let shared = Arc::clone(&case.worker.shared);
    let root = shared.setup.directory.root();
    let about = |path: &str| {
        let about = std::fs::metadata(root.join(path)).unwrap();
        (about.ino(), about.mode() & 0o777, about.mtime())
    };
    let paths = ["outputs/closed", "outputs/dir/deep/f", "outputs/dir/empty", "artifacts/a/b"];
    let before = paths.map(about);
    let open = about("outputs/open");
    let (engine, name) = (shared.engine().unwrap(), shared.name());
    let warnings = closed_files::take_over(engine, &name, OTHER_USER).await;
    assert_eq!(warnings, Vec::<String>::new());
    for (path, (inode, mode, modified)) in paths.into_iter().zip(before) {
        let (new_inode, new_mode, new_modified) = about(path);
        assert_ne!(new_inode, inode, "{path} is no copy");
        assert_eq!((new_mode, new_modified), (mode, modified), "{path}");
    }
    assert_eq!(about("outputs/open"), open);
    for folder in ["outputs/dir", "outputs/dir/deep", "artifacts/a"] {
        assert_eq!(about(folder).1, 0o777, "{folder}");
    }
    let left = case.finish(end).await;
    assert_eq!(
        (left.file("outputs/closed"), left.file("artifacts/a/b")),
        ("x\n".into(), "a\n".into())
    );
    assert_eq!(left.file("outputs/dir/deep/f").len(), 300_000);
    assert_eq!(left.file("outputs/dir/empty"), "");
}
