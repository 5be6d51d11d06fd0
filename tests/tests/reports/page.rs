// SPDX-License-Identifier: Apache-2.0 OR BSD-3-Clause

//! Page of HTML, as a text and in headless Chromium.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::Path;

use boot_stress::stress::class::Class::{Clean, Hit};
use boot_stress::stress::samples::of;
use integration_tests::python::{Venv, run};

use crate::sample::{BEGAN, classes, form, report, results, sample_header};

#[test]
fn a_page_needs_nothing_else_and_texts_of_guests_are_text() {
    let dir = tempfile::tempdir().unwrap();
    let page = fs::read_to_string(form(dir.path(), "html")).unwrap();
    for word in [
        "http:", "https:", "//", "src=", "url(", "@import", "<script", "<img", "<link", "<iframe",
    ] {
        // The texts that look like markup are in it, escaped.
        let found = page
            .match_indices(word)
            .map(|(at, _)| &page[at.saturating_sub(40)..at + 20]);
        let found: Vec<&str> = found
            .filter(|text| word.starts_with('<') || !text.contains("&#60;img"))
            .collect();
        assert!(found.is_empty(), "{word}: {found:?}");
    }
    assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
    assert!(!page.contains(['\u{1b}', '\u{202e}']));
    // Links lead to files that are there, below the page's directory.
    let links: BTreeSet<&str> = page
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert!(links.len() >= 8, "{links:?}");
    for link in links {
        assert!(
            link.starts_with("boots/") && dir.path().join(link).is_file(),
            "{link}"
        );
    }
}

/// Opens a page at two widths, in both schemes; makes a picture of each.
const OPEN: &str = "
import sys
from playwright.sync_api import sync_playwright
browser_path, url, pictures = sys.argv[1:]
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=browser_path, args=['--no-sandbox'])
    grounds = set()
    for scheme in ('light', 'dark'):
        for width in (390, 1280):
            page = browser.new_page(viewport={'width': width, 'height': 844}, color_scheme=scheme)
            seen = []
            page.on('request', lambda request: seen.append(request.url))
            page.on('dialog', lambda dialog: seen.append('dialog ' + dialog.message))
            page.on('console', lambda message: seen.append('console ' + message.text))
            page.on('pageerror', lambda error: seen.append('error ' + str(error)))
            page.goto(url)
            assert page.locator('svg').count() > 5
            assert page.locator('figure rect.slice').count() > 20
            for what in ('closed', 'open'):
                over = page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth')
                assert over <= 0, (scheme, width, what, over)
                page.screenshot(path=f'{pictures}/{scheme}-{width}-{what}.png', full_page=True)
                page.evaluate(\"document.querySelectorAll('details').forEach(one => one.open = true)\")
            assert seen == [url], seen
            style = 'getComputedStyle(document.body)'
            grounds.add(page.evaluate(f'{style}.backgroundColor + {style}.color'))
            small = page.evaluate('''[...document.querySelectorAll('body *')].filter(one => one.closest('svg') === null
                && parseFloat(getComputedStyle(one).fontSize) < 12).length''')
            assert small == 0, small
            cut = page.evaluate('''[...document.querySelectorAll('svg text')].filter(text => {
                const [own, all] = [text, text.ownerSVGElement].map(one => one.getBoundingClientRect());
                return own.left < all.left || own.right > all.right || own.bottom > all.bottom + 1;
            }).map(text => text.textContent)''')
            assert cut == [], cut
    assert len(grounds) == 2, grounds
    browser.close()
";

/// `SMMU_EMU_PICTURES` names a directory that the pictures stay in.
#[test]
fn a_page_is_readable_in_chromium_on_a_phone_and_on_a_desk() {
    let nights = tempfile::tempdir().unwrap();
    let (yesterday, dir) = (nights.path().join("1"), nights.path().join("2"));
    let header = sample_header();
    let mut before = classes();
    before[0] = of(&[(Hit, 2), (Clean, 38)]);
    results(&yesterday, &header, BEGAN - 86_400, &before);
    results(&dir, &header, BEGAN, &classes());
    let page = dir.join("report.html");
    let file = format!("html={}", page.display());
    let output = report(
        &dir,
        &["--previous", nights.path().to_str().unwrap(), "--write", &file],
    );
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let venv = Venv::new(nights.path(), &["playwright"]).unwrap();
    let pictures = env::var_os("SMMU_EMU_PICTURES").unwrap_or_else(|| nights.path().into());
    let mut open = venv.program("python");
    open.args(["-c", OPEN])
        .arg(chromium())
        .arg(format!("file://{}", page.display()))
        .arg(&pictures);
    run(&mut open).unwrap();
    assert!(Path::new(&pictures).join("dark-390-open.png").is_file());
}

/// Chromium of the distribution.
fn chromium() -> &'static str {
    let known = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/usr/bin/google-chrome",
    ];
    (known.into_iter().find(|path| Path::new(path).exists()))
        .unwrap_or_else(|| panic!("this test needs one of {known:?}: on Debian, apt install chromium"))
}
