// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

use super::*;

#[test]
fn a_missing_keyring_says_what_to_install() {
    let error = find_keyring(Some(Path::new("/nonexistent/keys")))
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "no keys of the Debian archive: /nonexistent/keys is not a file. Install the package \
         debian-archive-keyring, or name a keyring with `--keyring FILE`"
    );
}

fn data(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("src/packages/resolved/testdata")
        .join(path)
}

/// Each program that can check a signature, with the signed text that it gives.
#[test]
fn both_programs_accept_what_is_signed_and_refuse_what_is_not() {
    let signed = fs::read(data("dists/lts/InRelease")).unwrap();
    let by = |verifier, signed: &[u8]| verified_by(verifier, "lts", signed, &data("keyring.gpg"));
    let mut texts = Vec::new();
    for verifier in [Verifier::Gpgv, Verifier::Sqv] {
        let text = by(verifier, &signed).unwrap();
        // Blanks at the ends of lines are not signed.
        texts.push(text.lines().map(str::trim_end).collect::<Vec<_>>().join("\n"));
        let changed = String::from_utf8(signed.clone())
            .unwrap()
            .replace("Origin: Test", "Origin: Tess");
        let error = by(verifier, changed.as_bytes()).unwrap_err();
        assert!(
            matches!(error, ArchiveError::Signature { .. }),
            "{verifier:?}: {error}"
        );
        let other = tempfile::NamedTempFile::new().unwrap();
        let error = verified_by(verifier, "lts", &signed, other.path()).unwrap_err();
        assert!(
            matches!(error, ArchiveError::Signature { .. }),
            "{verifier:?}: {error}"
        );
        let error = by(verifier, b"Suite: lts\n").unwrap_err();
        assert!(
            matches!(error, ArchiveError::Signature { .. }),
            "{verifier:?}: {error}"
        );
    }
    assert_eq!(texts[0], texts[1]);
    assert!(texts[0].contains("\n- at the start of a line\n"), "{}", texts[0]);
}

#[test]
fn text_around_a_signed_message_is_not_split_from_it() {
    let signed = fs::read_to_string(data("dists/lts/InRelease")).unwrap();
    assert!(split(signed.as_bytes()).is_some());
    assert_eq!(split(format!("Suite: x\n{signed}").as_bytes()), None);
    assert_eq!(split(format!("{signed}Suite: x\n").as_bytes()), None);
    assert_eq!(split(signed.replace("-----END", "-----MID").as_bytes()), None);
    assert_eq!(split(signed.replace("- - at", "-- at").as_bytes()), None);
}
