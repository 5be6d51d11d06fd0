// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use std::fs;
use std::path::Path;

use super::*;

fn shell(script: &str, limits: Limits) -> Result<Output, ProgramError> {
    run("sh", ["-c", script], limits)
}

const QUICK: Limits = Limits {
    time: Duration::from_millis(200),
    bytes: 1000,
};

#[test]
fn output_and_status_come_back() {
    let output = shell("echo out; echo err >&2; exit 3", SHORT).unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(
        (output.stdout.as_slice(), output.stderr.as_slice()),
        (&b"out\n"[..], &b"err\n"[..])
    );
    assert_eq!(shell("kill -9 $$", SHORT).unwrap().status.signal(), Some(9));
    assert!(matches!(run("/none", [""; 0], SHORT), Err(ProgramError::Io(_))));
}

#[test]
fn standard_input_is_empty() {
    assert_eq!(shell("cat", SHORT).unwrap().stdout, b"");
}

#[test]
fn a_program_that_hangs_is_killed_with_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let pids = dir.path().join("pids");
    let script = format!("sleep 1000 & echo $! $$ >{}; sleep 1000", pids.display());
    // Until that is long enough for the script to have begun.
    let begun = [1, 4, 16, 64].into_iter().find_map(|seconds| {
        let limits = Limits {
            time: Duration::from_secs(seconds),
            ..QUICK
        };
        let error = shell(&script, limits).unwrap_err();
        assert!(matches!(error, ProgramError::Time(_)), "{error}");
        assert_eq!(error.to_string(), format!("it did not end within {seconds} s"));
        fs::read_to_string(&pids).ok().filter(|pids| pids.ends_with('\n'))
    });
    let deadline = Instant::now() + Duration::from_secs(60);
    for pid in begun.unwrap().split_whitespace() {
        loop {
            let stat = fs::read_to_string(Path::new("/proc").join(pid).join("stat")).unwrap_or_default();
            // The child of a killed shell is a zombie until its new parent looks at it.
            if stat.is_empty() || stat.contains(") Z ") {
                break;
            }
            // It dies when it gets the processor.
            assert!(Instant::now() < deadline, "process {pid} is left: {stat}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_program_that_prints_without_end_is_killed() {
    let limits = Limits {
        time: Duration::from_secs(60),
        ..QUICK
    };
    for script in ["while :; do echo x; done", "yes >&2"] {
        let error = shell(script, limits).unwrap_err();
        assert!(matches!(error, ProgramError::Size(1000)), "{script}: {error}");
    }
}

#[test]
fn a_program_that_closes_its_output_and_stays_is_killed() {
    let error = shell("exec >&- 2>&-; sleep 1000", QUICK).unwrap_err();
    assert!(matches!(error, ProgramError::Time(_)), "{error}");
}

#[test]
fn a_program_that_is_shown_has_no_limit_and_no_input() {
    let status = run_shown("sh", ["-c", "cat; exit 3"]).unwrap();
    assert_eq!(status.code(), Some(3));
    assert!(matches!(run_shown("/none", [""; 0]), Err(ProgramError::Io(_))));
}
