// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

const SOURCES: &str = "Types: deb
# a remark
URIs: http://deb.example.invalid/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://deb.example.invalid/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
";

#[test]
fn stanzas() {
    let url = Some("http://deb.example.invalid/debian".to_owned());
    assert_eq!(from_deb822(SOURCES), url);
    let (first, second) = SOURCES.split_once("\n\n").unwrap();
    assert_eq!(
        from_deb822(&format!("{second}\n{first}\n")),
        url,
        "the security archive is passed over"
    );
    for (from, to) in [
        ("Types: deb", "Types: deb-src"),
        ("Components: main", "Components: contrib"),
        ("Types: deb", "Enabled: no\nTypes: deb"),
        (
            "http://deb.example.invalid/debian\n",
            "mirror+file:/etc/apt/list\n",
        ),
    ] {
        assert_eq!(from_deb822(&SOURCES.replace(from, to)), None, "{to}");
    }
    assert_eq!(
        from_deb822(&SOURCES.replace("Types: deb", "types: deb deb-src")),
        url
    );
    assert_eq!(from_deb822(""), None);
    assert_eq!(from_deb822("no stanza at all"), None);
}

#[test]
fn a_mirror_under_another_path_is_known_by_its_key() {
    let sources = SOURCES.replace("/debian\n", "/mirrors/bookworm\n");
    assert_eq!(
        from_deb822(&sources).as_deref(),
        Some("http://deb.example.invalid/mirrors/bookworm")
    );
}

#[test]
fn other_archives_are_not_taken() {
    let other = "Types: deb\nURIs: https://packages.example.invalid/apt\nSuites: cloud\nComponents: main\n";
    assert_eq!(from_deb822(other), None);
    let list = "deb https://download.example.invalid/linux/debian bookworm stable\n";
    assert_eq!(from_list(list), None, "another archive for Debian systems");
    assert_eq!(
        from_list("deb http://archive.example.invalid/ubuntu noble main\n"),
        None
    );
}

#[test]
fn lines() {
    let cases = [
        (
            "deb http://deb.example.invalid/debian trixie main",
            Some("http://deb.example.invalid/debian"),
        ),
        (
            "deb http://deb.example.invalid/debian/ trixie main contrib # x",
            Some("http://deb.example.invalid/debian/"),
        ),
        (
            "deb\t[arch=amd64 signed-by=/k.gpg]  https://h.invalid/debian sid main",
            Some("https://h.invalid/debian"),
        ),
        (
            "deb [ signed-by=/usr/share/keyrings/debian-archive-keyring.gpg ] http://h.invalid/x trixie main",
            Some("http://h.invalid/x"),
        ),
        ("# deb http://deb.example.invalid/debian trixie main", None),
        ("deb-src http://deb.example.invalid/debian trixie main", None),
        ("deb http://deb.example.invalid/debian trixie-security main", None),
        ("deb http://deb.example.invalid/debian", None),
        (
            "deb [unclosed http://deb.example.invalid/debian trixie main",
            None,
        ),
        ("deb cdrom:[Debian]/ trixie main", None),
    ];
    for (line, url) in cases {
        assert_eq!(from_list(line).as_deref(), url, "{line}");
    }
}

#[test]
fn what_is_asked_for_goes_first() {
    let apt = tempfile::tempdir().unwrap();
    fs::create_dir(apt.path().join("sources.list.d")).unwrap();
    assert_eq!(find(None, None, apt.path()), Err(MirrorError::None));
    assert_eq!(find(None, Some(""), apt.path()), Err(MirrorError::None));
    fs::write(apt.path().join("sources.list.d/b.sources"), SOURCES).unwrap();
    fs::write(
        apt.path().join("sources.list.d/a.save"),
        SOURCES.replace("deb.", "old."),
    )
    .unwrap();
    let url = |asked, variable| find(asked, variable, apt.path()).map(|mirror| mirror.url);
    assert_eq!(url(None, None).unwrap(), "http://deb.example.invalid/debian");
    fs::write(
        apt.path().join("sources.list"),
        "deb http://first.invalid/debian/ sid main\n",
    )
    .unwrap();
    assert_eq!(url(None, None).unwrap(), "http://first.invalid/debian");
    assert_eq!(
        url(None, Some("http://v.invalid/d")).unwrap(),
        "http://v.invalid/d"
    );
    assert_eq!(
        url(Some("http://o.invalid/d//"), Some("http://v.invalid/d")).unwrap(),
        "http://o.invalid/d"
    );
    for bad in [
        "deb.example.invalid",
        "ftp://h.invalid/debian",
        "http://",
        "http:///x",
        "http://a b/",
    ] {
        assert!(
            matches!(url(Some(bad), None), Err(MirrorError::Bad { .. })),
            "{bad}"
        );
    }
}

#[test]
fn a_plus_is_escaped() {
    let mirror = Mirror {
        url: "http://h.invalid/debian".into(),
        from: "test".into(),
    };
    assert_eq!(
        mirror.address("pool/a_1+b~2.deb"),
        "http://h.invalid/debian/pool/a_1%2Bb~2.deb"
    );
}

#[test]
fn a_mirror_on_this_machine_is_known() {
    let local = |url: &str| {
        Mirror {
            url: url.into(),
            from: "test".into(),
        }
        .is_local()
    };
    assert!(
        local("http://127.0.0.1:8080/debian") && local("http://localhost/debian") && local("http://[::1]/d")
    );
    assert!(!local("http://deb.example.invalid/debian"));
}
