// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! The command line from outside, as far as no guest is needed.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::{Arc, Mutex};

use guest_images::packages::lock::{Lock, Package, Set, SetKind};

fn boot_stress(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boot-stress"))
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn recipes_are_listed_and_shown() {
    let output = boot_stress(&["recipes"]);
    assert_eq!(output.status.code(), Some(0));
    let list = text(&output.stdout);
    assert!(
        list.lines().any(|line| line.starts_with("attach-lock ")),
        "{list}"
    );
    let output = boot_stress(&["recipes", "boot"]);
    assert!(text(&output.stdout).contains("name = \"boot\""));
    assert_eq!(boot_stress(&["recipes", "none"]).status.code(), Some(2));
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let pipeline = format!(
        "'{}' recipes boot | true; exit ${{PIPESTATUS[0]}}",
        env!("CARGO_BIN_EXE_boot-stress")
    );
    for _ in 0..20 {
        let output = Command::new("bash").args(["-c", &pipeline]).output().unwrap();
        assert_eq!(
            (output.status.code(), text(&output.stderr).as_str()),
            (Some(0), "")
        );
    }
}

#[test]
fn a_recipe_with_a_mistake_is_a_usage_error_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("mine.toml");
    fs::write(
        &file,
        "name = \"mine\"\nsummary = \"s\"\nexpect = \"hit\"\n\n[bord]\n",
    )
    .unwrap();
    let output = boot_stress(&["reproduce", "--recipe", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2));
    let error = text(&output.stderr);
    assert!(error.contains("mine.toml:5:2: unknown field `bord`"), "{error}");
    assert!(error.contains("`board`"), "{error}");
    assert_eq!(text(&output.stdout), "");
}

#[test]
fn a_child_whose_parent_is_gone_does_not_start() {
    let marker = tempfile::tempdir().unwrap();
    let file = marker.path().join("started");
    // Process 1 is the parent of no process here.
    let output = boot_stress(&["exec", "1", "touch", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(3), "{}", text(&output.stderr));
    assert!(!file.exists());
    let own = std::process::id().to_string();
    assert_eq!(
        boot_stress(&["exec", &own, "touch", file.to_str().unwrap()])
            .status
            .code(),
        Some(0)
    );
    assert!(file.exists());
}

#[test]
fn the_hidden_server_is_the_server() {
    let output = boot_stress(&["vfio-server", "--help"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output.stdout).contains("--exit-with-stdin"));
}

#[test]
fn doctor_says_what_is_wrong_and_how_to_mend_it() {
    let output = boot_stress(&[
        "doctor",
        "--cache",
        "/proc/none",
        "--mirror",
        "nonsense",
        "--qemu",
        "/none/qemu",
    ]);
    assert_eq!(output.status.code(), Some(3));
    let report = text(&output.stdout);
    for point in ["QEMU", "cache", "mirror"] {
        let bad = report
            .lines()
            .any(|line| line.starts_with("BAD") && line.contains(point));
        assert!(bad, "{point} is not bad in:\n{report}");
    }
    let told = |start: &str| {
        report
            .lines()
            .filter(|line| line.trim_start().starts_with(start))
            .count()
    };
    assert_eq!(told("BAD"), told("mend:"), "{report}");
}

/// A directory in which a kernel was built, as far as its Image and configuration go.
fn build_directory(config: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let boot = dir.path().join("arch/arm64/boot");
    fs::create_dir_all(&boot).unwrap();
    fs::create_dir_all(dir.path().join("include/config")).unwrap();
    let mut image = vec![0; 8192];
    image[16..24].copy_from_slice(&8192_u64.to_le_bytes());
    image[56..60].copy_from_slice(b"ARM\x64");
    let banner = b"Linux version 7.3.4-mine (me@here) #1";
    image[4096..4096 + banner.len()].copy_from_slice(banner);
    fs::write(boot.join("Image"), image).unwrap();
    fs::write(dir.path().join(".config"), config).unwrap();
    dir
}

#[test]
fn what_a_kernel_lacks_is_told_before_anything_boots() {
    let fragment = text(&boot_stress(&["kernel-config"]).stdout);
    let head = "# Linux/arm64 7.3.4 Kernel Configuration\n";
    let lacking = fragment.replace("CONFIG_REGULATOR_FIXED_VOLTAGE=y\n", "");
    for (config, code, told) in [
        (
            lacking,
            2,
            "driver fixed (set CONFIG_REGULATOR_FIXED_VOLTAGE): according to",
        ),
        (
            fragment.replace("CONFIG_DEVMEM=y\n", ""),
            2,
            "CONFIG_DEVMEM (not =y in",
        ),
        (
            format!("# Linux/arm64 6.1.2 Kernel Configuration\n{fragment}"),
            2,
            "it is of Linux 6.1.2",
        ),
        // The kernel has everything, and the QEMU is none.
        (format!("{head}{fragment}"), 3, "/none/qemu"),
    ] {
        let dir = build_directory(&config);
        let kernel = dir.path().to_str().unwrap();
        let output = boot_stress(&["reproduce", "--kernel", kernel, "--qemu", "/none/qemu"]);
        let error = text(&output.stderr);
        assert!(error.contains(told), "{told}: {error}");
        assert_eq!(output.status.code(), Some(code), "{error}");
        assert_eq!(text(&output.stdout), "");
    }
}

/// A mirror on the loopback that has nothing; its address, and the paths that it was asked for.
fn empty_mirror() -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let paths = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&paths);
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map(Result::unwrap) {
            let lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let head: Vec<String> = lines
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            asked.lock().unwrap().extend(head.first().cloned());
            // The client may have gone.
            let _ =
                stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (url, paths)
}

/// `reproduce` of the default recipe, with a cache and a mirror, where no QEMU is in PATH.
fn reproduce_without_qemu(cache: &Path, mirror: &str, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_boot-stress"))
        .args(["reproduce", "--mirror", mirror, "--cache"])
        .arg(cache)
        .args(options)
        .env("PATH", cache)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

#[test]
fn a_kernel_that_cannot_print_the_warning_is_refused_before_anything_is_fetched() {
    let cache = tempfile::tempdir().unwrap();
    let release = "6.12.90+x-arm64";
    let package = format!("linux-image-{release}");
    let set = Set {
        kind: SetKind::Kernel,
        name: release.to_owned(),
        packages: vec![Package {
            path: format!("pool/main/l/linux/{package}_6.12.90-1_arm64.deb"),
            package,
            version: "6.12.90-1".to_owned(),
            architecture: "arm64".to_owned(),
            suite: "trixie".to_owned(),
            size: 1,
            sha256: "0".repeat(64),
        }],
    };
    // Resolved by an earlier run, so that the archive's index is not asked either.
    let record = toml::Table::from_iter([(
        "lock".to_owned(),
        toml::Value::try_from(Lock::new(vec![set])).unwrap(),
    )]);
    let resolved = cache.path().join("resolved");
    fs::create_dir(&resolved).unwrap();
    fs::write(
        resolved.join(format!("kernel-{release}.toml")),
        record.to_string(),
    )
    .unwrap();
    let (mirror, paths) = empty_mirror();
    let kernel = format!("debian:{release}");
    let output = reproduce_without_qemu(cache.path(), &mirror, &["--kernel", &kernel]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{error}");
    assert!(error.contains("this kernel cannot print it"), "{error}");
    assert_eq!(*paths.lock().unwrap(), [""; 0]);
}

/// A kernel may lack a driver: QEMU is not fetched for it.
#[test]
fn the_kernel_is_fetched_before_everything_else() {
    let cache = tempfile::tempdir().unwrap();
    let (mirror, paths) = empty_mirror();
    let output = reproduce_without_qemu(cache.path(), &mirror, &["--locked"]);
    let error = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{error}");
    let paths = paths.lock().unwrap();
    assert!(
        !paths.is_empty() && paths.iter().all(|path| path.contains("/linux-")),
        "{paths:?}: {error}"
    );
}

#[test]
fn a_config_is_compared_with_the_fragment() {
    let fragment = text(&boot_stress(&["kernel-config"]).stdout);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".config");
    let check = |config: &str| {
        fs::write(&file, config).unwrap();
        let output = boot_stress(&["kernel-config", "--check", file.to_str().unwrap()]);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    assert_eq!(
        check(&fragment),
        (Some(0), "all shipped recipes run with it\n".to_owned())
    );
    let (code, report) = check(&fragment.replace("CONFIG_ARM_SMMU=y", "CONFIG_ARM_SMMU=m"));
    assert_eq!(code, Some(1));
    assert!(report.starts_with("missing  CONFIG_ARM_SMMU  ("), "{report}");
    for (wrong, told) in [
        ("hello\n", "no line of it"),
        (
            "# Linux/x86 7.3.4 Kernel Configuration\nCONFIG_A=y\n",
            "a configuration for x86",
        ),
    ] {
        let (code, report) = check(wrong);
        assert_eq!(code, Some(2));
        assert!(report.contains(told), "{report}");
    }
}
