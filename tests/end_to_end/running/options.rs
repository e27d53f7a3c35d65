//! The options of `run` that the type of a job's data gives.

use crate::programs::new_sandbox;

/// The help of a job on a terminal of 80 columns.
fn help(arguments: &[&str]) -> String {
    let sandbox = new_sandbox();
    let mut command = sandbox.command(arguments);
    command.env("COLUMNS", "80");
    let finished = chutes_test_support::finish(command);
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""));
    finished.stdout
}

#[test]
fn help_of_a_job() {
    let text = help(&["run", "trains", "--help"]);
    let expected = "Returns how a model would be trained.

Usage: test-jobs run trains [OPTIONS]

Data of trains:
      --epochs <INTEGER>
          How often all examples are seen.
          
          More is not always better.
          [range: 1 to 1000] [default: 10]

      --learning-rate <NUMBER>
          The step of the optimizer.
          [default: 0.5]

      --way <CHOICE>
          Where to go.
          [default: winding]

          Possible values:
          - winding
          - very-straight: As the crow flies.

      --name <TEXT>
          The name of the model.
          [range: 1 to 8 characters]

      --verbose[=<true|false>]
          Says more.
          [default: false]

      --layers <INTEGER>
          Neurons of each layer.
          [range: 0 to 65535; at most 3 values] [default: []] [may be given
          several times]

      --optimizer.momentum <NUMBER>
          What is kept of the last step.
          [default: 0.0]

Options:
      --data <JSON|@FILE|->
";
    assert!(text.starts_with(expected), "{text}");
    let end = "
Data without options, for `--set` and `--data`:
  grace  `--grace` is an option of `run`
  parts  list of objects

Exit codes:
";
    assert!(text.contains(end), "{text}");
    for line in text.lines().chain(help(&["run", "trains", "-h"]).lines()) {
        assert!(line.chars().count() <= 80, "{line}");
    }
}

/// Why there are no options is said.
#[test]
fn help_without_options() {
    for (job, expected) in [
        (
            "dies",
            "Its data has no options (no schema: `Way` does not implement JsonSchema); \
             `--data` and `--set` take it.",
        ),
        ("fails", "The job takes no data."),
    ] {
        let text = help(&["run", job, "--help"]).replace('\n', " ");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("Data of"), "{text}");
    }
}

/// The data arrives as the options say it, beside `--set`, `--data` and `--spec`.
#[test]
fn data_of_options() {
    let spec = r#"{"job": "trains", "data": {"epochs": 3, "verbose": true}}"#;
    for (arguments, expected) in [
        ("trains", r#"{"epochs":10,"#),
        ("trains --epochs 20 --learning-rate 0.01", r#"{"epochs":20,"learning_rate":0.01,"#),
        ("--epochs 20 trains --learning_rate -1e-3", r#"{"epochs":20,"learning_rate":-0.001,"#),
        ("trains --way very-straight --name=-x", r#""way":"very-straight","name":"-x","#),
        ("trains --verbose --layers 1 --layers 2", r#""verbose":true,"layers":[1,2],"#),
        ("trains --optimizer.momentum 0.9 --set grace=7", r#"{"momentum":0.9},"grace":7,"#),
        (r#"trains --data {"grace":7} --epochs 2"#, r#"{"epochs":2,"#),
        ("trains --spec spec.json --epochs 2", r#"{"epochs":2,"#),
        ("trains --spec spec.json --epochs 2", r#""verbose":true,"#),
    ] {
        let sandbox = new_sandbox();
        std::fs::write(sandbox.path("spec.json"), spec).unwrap();
        let finished = sandbox.run(&format!("run {arguments} --json"));
        let result = finished.outcome().result.unwrap();
        assert!(result.as_str().contains(expected), "{arguments}: {result}");
    }
}

/// What is wrong is said in one line, before anything is made.
#[test]
fn wrong_options() {
    for (arguments, error) in [
        ("trains --epochs many", "--epochs: `many` is not a whole number from 1 to 1000"),
        ("trains --epochs 1001", "--epochs: `1001` is not a whole number from 1 to 1000"),
        ("trains --learning-rate fast", "--learning-rate: `fast` is not a number"),
        (
            "trains --way windign",
            "--way: `windign` is none of `winding`, `very-straight`; did you mean `winding`?",
        ),
        ("trains --verbose=yes", "--verbose: `yes` is neither `true` nor `false`"),
        ("trains --name=", "--name: `` is not a text of 1 to 8 characters"),
        ("trains --layers 70000", "--layers: `70000` is not a whole number from 0 to 65535"),
        ("trains --epochs 1 --epochs 2", "--epochs: it is given 2 times, and takes one value"),
        (
            "trains --epochs 1 --set epochs=1",
            "`epochs` is given twice: by `--epochs` and by `--set epochs=…`",
        ),
        (
            r#"trains --epochs 1 --data {"epochs":1}"#,
            "`epochs` is given twice: by `--epochs` and by `--data`",
        ),
    ] {
        let sandbox = new_sandbox();
        let finished = sandbox.run(&format!("run {arguments}"));
        assert_eq!((finished.code, &*finished.stdout), (Some(2), ""), "{finished:#?}");
        assert_eq!(finished.stderr, format!("error: {error}\n"), "{arguments}");
        assert_eq!(sandbox.entries(), [""; 0], "{arguments}");
    }
}

/// A value that has the name of a job is not taken for it in silence.
#[test]
fn options_of_another_job() {
    let sandbox = new_sandbox();
    let finished = sandbox.run("run --way trains echo");
    let error = "error: the options are read as those of job `trains`, not `echo`";
    assert_eq!((finished.code, finished.errors()), (Some(2), vec![error]));
    assert!(finished.stderr.contains("hint: name the job before the options of its data"));
    assert_eq!(sandbox.entries(), [""; 0]);
}
