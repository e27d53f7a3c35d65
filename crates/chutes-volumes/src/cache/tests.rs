//! A cache in a directory of its own, used as it should be, and changed by other programs.

use std::fs;
use std::io::Seek;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tempfile::TempDir;

use super::*;

static GO_ON: AtomicBool = AtomicBool::new(false);

struct Fixture {
    folder: TempDir,
    cache: Cache,
}

fn digest(content: &[u8]) -> Sha256Digest {
    Sha256Digest::of(content)
}

fn fixture(max_bytes: u64) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let cache = Fixture::open(&folder, max_bytes);
    Fixture { folder, cache }
}

impl Fixture {
    fn open(folder: &TempDir, max_bytes: u64) -> Cache {
        let dir = folder.path().join("a/cache");
        Cache::open(&CacheSettings { dir, max_bytes }).unwrap()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join("a/cache").join(path)
    }

    fn object(&self, content: &[u8]) -> PathBuf {
        let text = digest(content).to_string();
        self.path("objects").join(&text[..2]).join(&text[2..])
    }

    fn store(&self, content: &[u8]) {
        store(&self.cache, content);
    }

    fn get(&self, content: &[u8]) -> Option<Vec<u8>> {
        get(&self.cache, digest(content))
    }

    /// Says when a content was used, in seconds since 1970.
    fn used(&self, content: &[u8], seconds: u64) {
        let fingerprint = self.object(content).with_extension("json");
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        File::open(fingerprint).unwrap().set_modified(time).unwrap();
    }

    fn leftovers(&self) -> usize {
        fs::read_dir(self.path("partial")).unwrap().count()
    }
}

fn store(cache: &Cache, content: &[u8]) {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(content).unwrap();
    cache.store(&file, digest(content), content.len() as u64, &GO_ON).unwrap();
}

fn get(cache: &Cache, sha256: Sha256Digest) -> Option<Vec<u8>> {
    let object = cache.find(sha256, None)?;
    let mut to = tempfile::tempfile().unwrap();
    if !cache.copy(object, &mut to, &GO_ON).unwrap() {
        return None;
    }
    to.rewind().unwrap();
    let mut content = Vec::new();
    to.read_to_end(&mut content).unwrap();
    Some(content)
}

#[test]
fn what_is_stored_is_found_by_all_processes() {
    let fixture = fixture(1000);
    assert_eq!(fixture.get(b"hello"), None);
    fixture.store(b"hello");
    fixture.store(b"");
    fixture.store(b"hello");
    assert_eq!(fixture.get(b"hello").unwrap(), b"hello");
    assert_eq!(fixture.get(b"").unwrap(), b"");
    let other = Fixture::open(&fixture.folder, 1000);
    assert_eq!(get(&other, digest(b"hello")).unwrap(), b"hello");
    assert_eq!(fixture.leftovers(), 0);
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(fixture.path("")), 0o700);
    assert_eq!(mode(fixture.object(b"hello")), 0o600);
}

#[test]
fn names_of_contents() {
    let fixture = fixture(1000);
    let entry = |etag: Option<&str>| Entry {
        sha256: digest(b"hello"),
        bytes: 5,
        etag: etag.map(str::to_owned),
    };
    let key = "https://host/?token=abcdef123".repeat(100);
    assert_eq!(fixture.cache.entry(&key), None);
    for entry in [entry(Some("\"a\"")), entry(None)] {
        fixture.cache.remember(&key, &entry).unwrap();
        assert_eq!(fixture.cache.entry(&key), Some(entry));
    }
    let name = fs::read_dir(fixture.path("keys")).unwrap().next().unwrap().unwrap();
    fs::write(name.path(), "{").unwrap();
    assert_eq!(fixture.cache.entry(&key), None);
}

#[test]
fn a_copy_is_a_copy() {
    let fixture = fixture(1000);
    let mut from = tempfile::tempfile().unwrap();
    from.write_all(b"hello").unwrap();
    fixture.cache.store(&from, digest(b"hello"), 5, &GO_ON).unwrap();
    from.rewind().unwrap();
    from.write_all(b"jelly").unwrap();
    let object = fixture.cache.find(digest(b"hello"), Some(5)).unwrap();
    let mut to = tempfile::tempfile().unwrap();
    assert!(fixture.cache.copy(object, &mut to, &GO_ON).unwrap());
    to.rewind().unwrap();
    to.write_all(b"jelly").unwrap();
    assert_eq!(fixture.get(b"hello").unwrap(), b"hello");
}

#[test]
fn what_was_changed_is_not_given_out() {
    let change = |change: &dyn Fn(&Fixture, PathBuf), is_still_there: bool| {
        let fixture = fixture(1000);
        fixture.store(b"hello");
        change(&fixture, fixture.object(b"hello"));
        let expected = is_still_there.then(|| b"hello".to_vec());
        assert_eq!(fixture.get(b"hello"), expected);
        let there = fixture.object(b"hello").symlink_metadata();
        assert_eq!(there.is_ok_and(|there| there.is_file()), is_still_there);
        // And it can be stored again.
        fixture.store(b"hello");
        assert_eq!(fixture.get(b"hello").unwrap(), b"hello");
    };
    change(&|_, path| fs::write(path, b"jelly").unwrap(), false);
    change(&|_, path| fs::write(path, b"hell").unwrap(), false);
    change(&|_, path| fs::remove_file(path).unwrap(), false);
    // A program sets the time back after the change.
    let forged = |_: &Fixture, path: PathBuf| {
        let modified = fs::metadata(&path).unwrap().modified().unwrap();
        fs::write(&path, b"jelly").unwrap();
        File::open(&path).unwrap().set_modified(modified).unwrap();
    };
    change(&forged, false);
    // The cache is copied to another disk: nothing is certain any more, but all is right.
    let copied = |_: &Fixture, path: PathBuf| {
        fs::remove_file(&path).unwrap();
        fs::write(&path, b"hello").unwrap();
    };
    change(&copied, true);
    change(&|_, path| fs::remove_file(path.with_extension("json")).unwrap(), true);
    // A link leads to something that is not ours.
    let linked = |fixture: &Fixture, path: PathBuf| {
        fs::write(fixture.path("elsewhere"), b"hello").unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(fixture.path("elsewhere"), &path).unwrap();
    };
    change(&linked, false);
}

#[test]
fn what_was_not_written_to_is_not_read_again() {
    let fixture = fixture(1000);
    fixture.store(b"hello");
    // As if some time had passed since.
    let fingerprint = fixture.object(b"hello").with_extension("json");
    let text = fs::read_to_string(&fingerprint).unwrap();
    fs::write(&fingerprint, text.replace("false", "true")).unwrap();
    assert_eq!(fixture.get(b"hello").unwrap(), b"hello");
    let object = fixture.cache.find(digest(b"hello"), None).unwrap();
    assert!(object.is_certain());
    fs::write(fixture.object(b"hello"), b"hello").unwrap();
    assert!(!fixture.cache.find(digest(b"hello"), None).unwrap().is_certain());
}

#[test]
fn another_size_than_expected() {
    let fixture = fixture(1000);
    fixture.store(b"hello");
    assert!(fixture.cache.find(digest(b"hello"), Some(4)).is_none());
    assert_eq!(fixture.get(b"hello"), None);
}

#[test]
fn what_was_used_last_stays() {
    let fixture = fixture(16);
    let entry = |content: &[u8]| Entry { sha256: digest(content), bytes: 5, etag: None };
    for (number, content) in [b"one 1", b"two 2", b"three"].iter().enumerate() {
        fixture.store(*content);
        fixture.used(*content, number as u64);
        fixture.cache.remember(&number.to_string(), &entry(*content)).unwrap();
    }
    // Being asked for counts as being used.
    assert!(fixture.get(b"one 1").is_some());
    fixture.store(b"four");
    assert!(fixture.get(b"two 2").is_none());
    for there in [&b"one 1"[..], b"three", b"four"] {
        assert!(fixture.get(there).is_some());
    }
    assert_eq!(fixture.cache.entry("1"), None);
    assert!(fixture.cache.entry("0").is_some());
    // What does not fit does not drive out the others.
    fixture.store(&[7; 17]);
    assert!(fixture.get(&[7; 17]).is_none());
    assert!(fixture.get(b"four").is_some());
}

#[test]
fn what_is_removed_stays_for_those_who_have_it() {
    let fixture = fixture(10);
    fixture.store(b"hello");
    let object = fixture.cache.find(digest(b"hello"), None).unwrap();
    fixture.used(b"hello", 0);
    fixture.store(b"0123456789");
    assert_eq!(fixture.get(b"hello"), None);
    let mut to = tempfile::tempfile().unwrap();
    assert!(fixture.cache.copy(object, &mut to, &GO_ON).unwrap());
    assert_eq!(to.metadata().unwrap().len(), 5);
    assert_eq!(fixture.get(b"hello"), None);
}

#[test]
fn what_was_left_behind_is_removed() {
    let fixture = fixture(1000);
    let old = SystemTime::now() - 2 * ABANDONED;
    for name in ["old", "locked", "new"] {
        let file = File::create(fixture.path("partial").join(name)).unwrap();
        if name != "new" {
            file.set_modified(old).unwrap();
        }
    }
    let locked = File::open(fixture.path("partial/locked")).unwrap();
    flock(&locked, FlockOperation::LockExclusive).unwrap();
    Fixture::open(&fixture.folder, 1000);
    let mut names: Vec<_> = fs::read_dir(fixture.path("partial"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["locked", "new"]);
}

#[test]
fn several_at_once() {
    let fixture = fixture(2000);
    let folder = Arc::new(fixture.folder);
    let contents: Vec<Vec<u8>> = (0..10_u8).map(|number| vec![number; 300]).collect();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let cache = Fixture::open(&folder, 2000);
                for _ in 0..10 {
                    for content in &contents {
                        store(&cache, content);
                        // Others may have removed it, but nothing else comes out.
                        let there = get(&cache, digest(content));
                        assert!(there.is_none_or(|there| there == *content));
                    }
                }
            });
        }
    });
    let cache = Fixture::open(&folder, 2000);
    cache.evict().unwrap();
    let there = contents.iter().filter(|content| get(&cache, digest(content)).is_some()).count();
    assert!((1..=6).contains(&there), "{there}");
}

#[test]
fn what_is_stopped_leaves_nothing() {
    let fixture = fixture(1000);
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(b"hello").unwrap();
    let stopped = AtomicBool::new(true);
    assert!(fixture.cache.store(&file, digest(b"hello"), 5, &stopped).is_err());
    assert_eq!(fixture.get(b"hello"), None);
    assert_eq!(fixture.leftovers(), 0);
}
