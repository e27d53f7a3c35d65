//! `list` and `describe`: what the binary prints about its jobs.

use chutes::contract::JobContract;

use crate::programs::new_sandbox;

/// All jobs of the binary, in the order in which they are shown.
fn names() -> Vec<String> {
    let sources = [
        include_str!("../../jobs/access.rs"),
        include_str!("../../jobs/endings.rs"),
        include_str!("../../jobs/files.rs"),
        include_str!("../../jobs/hooks.rs"),
        include_str!("../../jobs/hostile.rs"),
        include_str!("../../jobs/security.rs"),
        include_str!("../../jobs/slow.rs"),
        include_str!("../../jobs/ssh.rs"),
        include_str!("../../jobs/streams.rs"),
        include_str!("../../jobs/texts.rs"),
        include_str!("../../jobs/trains.rs"),
        include_str!("../../jobs/uploads.rs"),
        include_str!("../../more-jobs/src/lib.rs"),
    ];
    let mut names = Vec::new();
    for source in sources {
        let lines: Vec<_> = source.lines().collect();
        let is_job =
            |line: &str| line.starts_with("#[") && (line.contains("job]") || line.contains("job("));
        for (at, _) in lines.iter().enumerate().filter(|(_, line)| is_job(line)) {
            let name = lines[at..].iter().find_map(|line| line.strip_prefix("async fn ")).unwrap();
            names.push(name.split('(').next().unwrap().to_owned());
        }
    }
    names.sort();
    names
}

/// The line of a function in a source file.
fn line_of(source: &str, function: &str) -> usize {
    let start = format!("async fn {function}(");
    source.lines().position(|line| line.starts_with(&start)).unwrap() + 1
}

fn json_of(arguments: &str) -> serde_json::Value {
    let finished = new_sandbox().run(arguments);
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{arguments}");
    assert_eq!(finished.stdout.matches('\n').count(), 1, "{arguments}");
    serde_json::from_str(&finished.stdout).unwrap()
}

#[test]
fn every_job_is_listed() {
    assert!(names().contains(&"in_another_crate".to_owned()));
    for arguments in ["list --json", "describe --json"] {
        let listed = json_of(arguments);
        let listed: Vec<_> =
            listed.as_array().unwrap().iter().map(|job| job["name"].as_str().unwrap()).collect();
        assert_eq!(listed, names(), "{arguments}");
    }
    let table = new_sandbox().run("list").stdout;
    let first_words: Vec<_> =
        table.lines().map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(first_words[0], "NAME");
    assert_eq!(first_words[1..], names());
}

/// The table has one line for each job, with columns one below the other.
#[test]
fn table() {
    let table = new_sandbox().run("list").stdout;
    let lines: Vec<_> = table.lines().collect();
    assert!(lines.iter().all(|line| !line.starts_with(' ') && line.trim_end() == *line));
    let column = |name| lines[0].find(name).unwrap();
    let echo = lines.iter().find(|line| line.starts_with("echo ")).unwrap();
    for (name, value) in [
        ("TIME LIMIT", "1h"),
        ("PORTS", "web:8080 ssh:2202"),
        ("SUMMARY", "Returns what it was given."),
        ("SOURCE", "tests/jobs/endings.rs:"),
    ] {
        assert!(echo[column(name)..].starts_with(value), "{echo}");
    }
}

#[test]
fn list_as_json() {
    let listed = json_of("list --json");
    let jobs = listed.as_array().unwrap();
    let found = jobs.iter().find(|job| job["name"] == "in_another_crate").unwrap();
    let source = include_str!("../../more-jobs/src/lib.rs");
    let expected = serde_json::json!({
        "name": "in_another_crate",
        "summary": "Says where it stands.",
        "ports": [],
        "timeout_seconds": null,
        "source": {
            "file": "tests/more-jobs/src/lib.rs",
            "line": line_of(source, "in_another_crate") - 1,
            "module": "chutes_more_jobs",
        },
    });
    assert_eq!(*found, expected);
    let found = jobs.iter().find(|job| job["name"] == "echo").unwrap();
    assert_eq!(found["timeout_seconds"], 3600);
    assert_eq!(found["ports"], json_of("describe echo --json")["ports"]);
}

/// The contract, to the letter: platforms read it.
#[test]
fn contract() {
    let finished = new_sandbox().run("describe echo --json");
    let line = line_of(include_str!("../../jobs/endings.rs"), "echo") - 1;
    let expected = [
        r#"{"name":"echo","summary":"Returns what it was given.","#,
        r#""ports":[{"name":"web","port":8080,"proto":"http"},"#,
        r#"{"name":"ssh","port":2202,"proto":"tcp"}],"#,
        r#""timeout_seconds":3600,"upload":true,"ssh":true,"#,
        r#""data_schema":{"$schema":"https://json-schema.org/draft/2020-12/schema","#,
        r#""title":"Settings","type":"object","properties":{"#,
        r#""epochs":{"description":"How often.","type":"integer","format":"uint32","minimum":0},"#,
        r#""rate":{"type":["number","null"],"format":"double","default":null},"#,
        r#""label":{"type":"string","default":""}},"required":["epochs"]},"#,
        r#""result_schema":{"$schema":"https://json-schema.org/draft/2020-12/schema","#,
        r#""title":"Report","type":"object","properties":{"#,
        r#""epochs":{"type":"integer","format":"uint32","minimum":0},"#,
        r#""rate":{"type":"number","format":"double"},"label":{"type":"string"}},"#,
        r#""required":["epochs","rate","label"]},"#,
        &format!(r#""source":{{"file":"tests/jobs/endings.rs","line":{line},"#),
        r#""module":"test_jobs::endings"}}"#,
    ];
    assert_eq!(finished.stdout, expected.concat() + "\n");
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
}

/// What is printed can be read back.
#[test]
fn contracts_are_read_back() {
    let contracts = json_of("describe --json");
    for contract in contracts.as_array().unwrap() {
        let text = contract.to_string();
        let read: JobContract = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), *contract);
    }
}

/// A job without declarations has all fields, too.
#[test]
fn contract_without_declarations() {
    let mut contract = json_of("describe in_another_crate --json");
    contract.as_object_mut().unwrap().remove("source");
    let schema = &contract["result_schema"];
    assert_eq!(schema["type"], "string");
    contract["result_schema"].take();
    let expected = serde_json::json!({
        "name": "in_another_crate",
        "summary": "Says where it stands.",
        "ports": [],
        "timeout_seconds": null,
        "upload": true,
        "ssh": false,
        "data_schema": null,
        "result_schema": null,
    });
    assert_eq!(contract, expected);
}

#[test]
fn for_people() {
    let text = new_sandbox().run("describe echo").stdout;
    for line in [
        "echo",
        "  Returns what it was given.",
        "  time limit   1h",
        "  upload       yes",
        "  ssh          yes",
        "  ports        web 8080/http",
        "               ssh 2202/tcp",
        "  data         Settings",
        "    FIELD   TYPE     RANGE       DEFAULT   MEANING",
        "    epochs  integer  at least 0  required  How often.",
        "    rate    number",
        "    label   text                 \"\"",
        "  result       Report",
        "    FIELD   TYPE     RANGE       MEANING",
        "    epochs  integer  at least 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
    let all = new_sandbox().run("describe").stdout;
    assert!(all.contains(&text));
    assert_eq!(
        names().iter().filter(|name| all.lines().any(|line| line == **name)).count(),
        names().len()
    );
}

/// A type that has no schema is named, and so is what is not an object.
#[test]
fn types_for_people() {
    for (job, lines) in [
        ("dies", &["  data         no schema: `Way` does not implement JsonSchema"][..]),
        ("fails", &["  data         none", "  result       none"]),
        ("in_another_crate", &["    (all of it)  text"]),
    ] {
        let text = new_sandbox().run(&format!("describe {job}")).stdout;
        for line in lines {
            assert!(text.lines().any(|found| found == *line), "{line}: {text}");
        }
    }
}
