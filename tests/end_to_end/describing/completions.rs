//! `completions`: the scripts in the shells that they are for.

use chutes_test_support::{Sandbox, finish};

use crate::programs::{JOBS, new_sandbox};

/// What is typed, and what it becomes when there is one possibility: commands, jobs, options and values of their data.
const CASES: [(&str, &str); 6] = [
    ("des", "describe"),
    ("run ech", "echo"),
    ("run trains --lea", "--learning-rate"),
    ("run trains --optim", "--optimizer.momentum"),
    ("run trains --run-di", "--run-dir"),
    ("run --json trains --way ve", "very-straight"),
];

/// A sandbox with the script for a shell, and the binary in its place on `PATH`.
fn with_script(shell: &str) -> Sandbox {
    let sandbox = new_sandbox();
    let finished = sandbox.run(&format!("completions {shell}"));
    assert_eq!((finished.code, &*finished.stderr), (Some(0), ""), "{shell}");
    for word in ["test-jobs", "describe", "run-dir"] {
        assert!(finished.stdout.contains(word), "{shell}: {word}");
    }
    std::fs::write(sandbox.path("completions"), finished.stdout).unwrap();
    std::os::unix::fs::symlink(JOBS, sandbox.path("test-jobs")).unwrap();
    sandbox
}

#[test]
fn unknown_shell() {
    let finished = new_sandbox().run("completions bsh");
    assert_eq!((finished.code, &*finished.stdout), (Some(2), ""));
    assert_eq!(finished.errors(), ["error: invalid value 'bsh' for '<SHELL>'"]);
}

/// The function of the script is asked for the completions of a word.
#[test]
fn in_bash() {
    let sandbox = with_script("bash");
    for (words, expected) in CASES {
        let ask = format!(
            "source ./completions && spec=($(complete -p test-jobs)) && \
             for at in ${{!spec[@]}}; do [ ${{spec[at]}} = -F ] && function=${{spec[at + 1]}}; done; \
             COMP_WORDS=(test-jobs {words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); \
             $function test-jobs ${{COMP_WORDS[-1]}} ${{COMP_WORDS[-2]}}; echo \"${{COMPREPLY[@]}}\""
        );
        let finished = finish(sandbox.program(&["bash", "-c", &ask]));
        assert_eq!(finished.stdout.trim(), expected, "{words}: {finished:#?}");
    }
}

/// A line of its answer is a possibility, and perhaps what it means.
#[test]
fn in_fish() {
    let sandbox = with_script("fish");
    for (words, expected) in CASES {
        let ask =
            format!("set PATH . $PATH; source ./completions; complete -C 'test-jobs {words}'");
        let finished = finish(sandbox.program(&["fish", "--no-config", "-c", &ask]));
        let found = finished.stdout.lines().map(|line| line.split('\t').next().unwrap());
        assert_eq!(found.collect::<Vec<_>>(), [expected], "{words}: {finished:#?}");
    }
}

/// Keys are typed into an interactive shell, in which the name of the binary shows the words that arrive.
#[test]
fn in_zsh() {
    let sandbox = with_script("zsh");
    let begin = "PS1=; zstyle ':completion:*' insert-tab false; autoload -U compinit; compinit -u -D; \
                 test-jobs() { print -r -- \"typed <$*>\" }; source ./completions; print loaded";
    std::fs::write(sandbox.path("begin"), begin).unwrap();
    let ask = |(words, _)| {
        format!(
            "zpty -w -n shell 'test-jobs {words}'$'\\t\\n'; \
             zpty -r shell seen '*typed <*>*'; print -r -- \"$seen\";"
        )
    };
    let asked: String = CASES.map(ask).concat();
    let ask = format!(
        "zmodload zsh/zpty; zpty shell zsh -f -i; zpty -w shell 'source ./begin'; \
         zpty -r shell seen '*loaded*'; {asked} zpty -d shell"
    );
    let finished = finish(sandbox.program(&["zsh", "-f", "-c", &ask]));
    for (words, expected) in CASES {
        let (before, _) = words.rsplit_once(' ').unwrap_or_default();
        let typed = format!("typed <{}>", format!("{before} {expected}").trim());
        assert!(finished.stdout.contains(&typed), "{words}: {finished:#?}");
    }
}
