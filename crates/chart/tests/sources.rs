//! Where charts come from: folders and packed files, whole, broken and hostile; and values that were set one by
//! one. What is expected was taken from Helm 4.3.1, but for links, where Helm is less careful.

#![cfg(test)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;

use chart::{Capabilities, Chart, Release, Setting, Surroundings, Values, render_values};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

const CHART: &str = "apiVersion: v2\nname: demo\nversion: 1.0.0\n";
const MAP: &str = "kind: ConfigMap\nmetadata: {name: {{ .Chart.Name }}}\ndata: {{ .Values | toJson }}\n";

fn gzipped(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A packed chart; names are taken as they are, even those that a well-meaning packer would refuse.
fn packed(files: &[(&str, EntryType, &[u8])]) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, kind, data) in files {
        let mut header = Header::new_ustar();
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_entry_type(*kind);
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        if *kind == EntryType::Symlink {
            header.set_link_name("/etc/passwd").unwrap();
        }
        header.set_cksum();
        builder.append(&header, *data).unwrap();
    }
    gzipped(&builder.into_inner().unwrap())
}

fn plain(files: &[(&str, &[u8])]) -> Vec<u8> {
    let files: Vec<_> = files
        .iter()
        .map(|(name, data)| (*name, EntryType::Regular, *data))
        .collect();
    packed(&files)
}

fn text(chart: &Chart, values: &Values) -> String {
    render_values(
        chart,
        values,
        &Release::default(),
        &Capabilities::default(),
        &Surroundings::default(),
    )
    .unwrap()
    .text()
}

#[track_caller]
fn refused(loaded: Result<Chart, chart::ChartError>, expect: &str) {
    let error = loaded.unwrap_err().to_string();
    assert!(error.contains(expect), "{error}, not {expect}");
}

#[test]
fn packed_charts_are_the_same_as_their_folders() {
    let inner = plain(&[
        (
            "child/Chart.yaml",
            b"apiVersion: v2\nname: child\nversion: 0.1.0\n",
        ),
        ("child/values.yaml", b"color: red\n"),
        ("child/templates/map.yaml", MAP.as_bytes()),
    ]);
    let files: [(&str, &[u8]); 5] = [
        ("Chart.yaml", CHART.as_bytes()),
        ("values.yaml", b"\xef\xbb\xbfsize: 1\nchild: {color: blue}\n"),
        ("templates/map.yaml", MAP.as_bytes()),
        ("charts/child-0.1.0.tgz", &inner),
        ("charts/_ignored.tgz", b"no archive"),
    ];
    let named: Vec<(String, &[u8])> = files
        .iter()
        .map(|(name, data)| (format!("demo/{name}"), *data))
        .collect();
    let package = plain(
        &named
            .iter()
            .map(|(name, data)| (name.as_str(), *data))
            .collect::<Vec<_>>(),
    );
    let from_package = Chart::from_package(&package).unwrap();

    let folder = tempfile::tempdir().unwrap();
    for (name, data) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, data).unwrap();
    }
    let from_folder = Chart::open(folder.path()).unwrap();
    let file = folder.path().join("demo-1.0.0.tgz");
    fs::write(&file, &package).unwrap();

    let values = Values::default();
    let expected = "---\n# Source: demo/charts/child/templates/map.yaml\nkind: ConfigMap\nmetadata: {name: child}\n\
        data: {\"color\":\"blue\",\"global\":{}}\n\n---\n# Source: demo/templates/map.yaml\nkind: ConfigMap\n\
        metadata: {name: demo}\ndata: {\"child\":{\"color\":\"blue\",\"global\":{}},\"size\":1}\n";
    assert_eq!(text(&from_package, &values), expected);
    assert_eq!(text(&from_folder, &values), expected);
    assert_eq!(text(&Chart::open(&file).unwrap(), &values), expected);
    assert_eq!(from_package.digest(), from_folder.digest());
}

#[test]
fn archives_that_lead_out_or_hold_no_plain_files_are_refused() {
    let check = |name: &str, kind: EntryType, expect: &str| {
        let files: [(&str, EntryType, &[u8]); 2] = [
            ("demo/Chart.yaml", EntryType::Regular, CHART.as_bytes()),
            (name, kind, b""),
        ];
        refused(Chart::from_package(&packed(&files)), expect);
    };
    let file = EntryType::Regular;
    check("demo/../../x", file, "references parent directory");
    check("demo/..x", file, "references parent directory");
    check("demo/a/../../x", file, "references parent directory");
    check("demo//etc/passwd", file, "absolute paths");
    check("x", file, "content outside the base directory");
    check("Chart.yaml", file, "chart yaml not in base directory");
    check("demo/c:/windows", file, "illegally named files");
    check("demo\\..\\..\\x", file, "references parent directory");
    check(
        "demo/link",
        EntryType::Symlink,
        "\"demo/link\", which is not a plain file",
    );
    check("demo/link", EntryType::Link, "which is not a plain file");
    check("demo/pipe", EntryType::Fifo, "which is not a plain file");
}

#[test]
fn broken_and_swollen_archives_are_refused() {
    let good = plain(&[("demo/Chart.yaml", CHART.as_bytes())]);
    refused(Chart::from_package(b""), "cannot unpack the chart");
    refused(
        Chart::from_package(b"no archive at all"),
        "cannot unpack the chart",
    );
    refused(
        Chart::from_package(&good[..good.len() / 2]),
        "cannot unpack the chart",
    );
    refused(Chart::from_package(&packed(&[])), "no files in chart archive");
    refused(
        Chart::from_package(&plain(&[("a/b", b"")])),
        "Chart.yaml file is missing",
    );
    let large = vec![0; (5 << 20) + 1];
    refused(
        Chart::from_package(&plain(&[("demo/large", &large)])),
        "larger than the maximum file size",
    );
    let large = &large[..5 << 20];
    let names: Vec<String> = (0..30).map(|n| format!("demo/{n}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), large)).collect();
    refused(
        Chart::from_package(&plain(&files)),
        "larger than the maximum size",
    );
    let names: Vec<String> = (0..20_001).map(|n| format!("demo/{n}")).collect();
    let files: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    refused(Chart::from_package(&plain(&files)), "20000 files at most");
    // A name that is a gigabyte long is not read to its end.
    let mut header = Header::new_gnu();
    header.set_entry_type(EntryType::GNULongName);
    header.set_size(1 << 30);
    header.set_cksum();
    let mut bomb = header.as_bytes().to_vec();
    bomb.resize(300 << 20, b'x');
    refused(Chart::from_package(&gzipped(&bomb)), "too large when unpacked");
}

#[test]
fn packages_in_packages_share_one_allowance() {
    // Each level holds the one below three times, with some weight: unpacked it would be gigabytes.
    let weight = vec![b'#'; 4 << 20];
    let mut package = Vec::new();
    for level in 0..6 {
        let chart = format!("apiVersion: v2\nname: level-{level}\nversion: 1.0.0\n");
        let mut files: Vec<(&str, &[u8])> = vec![("c/Chart.yaml", chart.as_bytes()), ("c/weight", &weight)];
        if level > 0 {
            files.extend([
                ("c/charts/a.tgz", &*package),
                ("c/charts/b.tgz", &*package),
                ("c/charts/c.tgz", &*package),
            ]);
        }
        package = plain(&files);
    }
    assert!(package.len() < 1 << 20, "{}", package.len());
    refused(Chart::from_package(&package), "larger than the maximum size");
}

#[test]
fn links_inside_a_chart_are_followed_and_no_others() {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("chart");
    fs::create_dir_all(chart.join("templates")).unwrap();
    fs::create_dir_all(chart.join("beside")).unwrap();
    fs::write(folder.path().join("secret.yaml"), "kind: Secret\n").unwrap();
    fs::write(chart.join("Chart.yaml"), CHART).unwrap();
    fs::write(chart.join("beside/map.yaml"), MAP).unwrap();
    symlink("../beside/map.yaml", chart.join("templates/map.yaml")).unwrap();
    symlink("../beside", chart.join("templates/more")).unwrap();
    let values = Values::default();
    let loaded = Chart::open(&chart).unwrap();
    assert_eq!(text(&loaded, &values).matches("kind: ConfigMap").count(), 2);

    let check = |target: &Path, name: &str, expect: &str| {
        let link = chart.join(name);
        symlink(target, &link).unwrap();
        refused(Chart::open(&chart), expect);
        fs::remove_file(link).unwrap();
    };
    let out = "templates/out.yaml is a symbolic link that leads out of the chart";
    check(Path::new("../../secret.yaml"), "templates/out.yaml", out);
    check(&folder.path().join("secret.yaml"), "templates/out.yaml", out);
    check(Path::new("/"), "templates/out.yaml", out);
    check(
        Path::new(".."),
        "templates/up",
        "templates/up is a symbolic link that leads in a circle",
    );
    check(Path::new("nowhere"), "templates/nowhere.yaml", "cannot read");
    // What is ignored is not looked at.
    fs::write(chart.join(".helmignore"), "out.yaml\n").unwrap();
    symlink("/", chart.join("out.yaml")).unwrap();
    assert!(Chart::open(&chart).is_ok());
}

#[test]
fn what_is_no_chart_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path
    };
    refused(Chart::open(&folder.path().join("nowhere")), "cannot read");
    refused(Chart::open(folder.path()), "Chart.yaml file is missing");
    refused(
        Chart::open(&file("values.yaml", "a: 1\n")),
        "seems to be a YAML file",
    );
    refused(
        Chart::open(&file("a.txt", "hello")),
        "does not appear to be a gzipped archive",
    );
}

#[test]
fn requirements_belong_to_old_charts() {
    let check = |version: &str, expect: &str| {
        let chart = format!("apiVersion: {version}\nname: old\nversion: 1.0.0\n");
        let files = [
            ("Chart.yaml", chart.as_str()),
            (
                "requirements.yaml",
                "dependencies:\n- {name: child, version: 0.x, condition: child.on}\n",
            ),
            ("requirements.lock", "digest: x\n"),
            ("values.yaml", "child: {on: true}\n"),
            (
                "templates/map.yaml",
                "kind: ConfigMap\nfiles: [{{ range $name, $_ := .Files }}{{ $name }}, {{ end }}]\n",
            ),
            (
                "charts/child/Chart.yaml",
                "apiVersion: v1\nname: child\nversion: 0.1.0\n",
            ),
            (
                "charts/child/templates/map.yaml",
                "kind: ConfigMap\nchild: true\n",
            ),
        ];
        let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
        let chart = Chart::from_files(files).unwrap();
        let mut values = Values::default();
        let with = text(&chart, &values);
        assert!(with.contains(expect), "{with}");
        assert!(with.contains("child: true"), "{with}");
        values.set(Setting::Typed, "child.on=false").unwrap();
        assert!(!text(&chart, &values).contains("child: true"));
    };
    check("v1", "files: [requirements.lock, requirements.yaml, ]");
    check("v2", "files: []");
}

#[test]
fn whole_numbers_that_were_set_stay_whole() {
    let printed = "kind: ConfigMap\ndata: {{ range $name, $value := .Values }}{{ if kindIs \"map\" $value }}{{ else }}{{ $name }}={{ printf \"%T %v\" $value $value }} {{ end }}{{ end }}{{ with .Values.global }}g={{ printf \"%T %v\" .num .num }}{{ end }}{{ with .Values.list }}l={{ printf \"%T\" (index . 0) }}{{ end }}\n";
    let files = [
        ("Chart.yaml", CHART),
        ("values.yaml", "size: 12345678\nglobal: {num: 7}\n"),
        ("templates/a.yaml", printed),
        (
            "charts/child/Chart.yaml",
            "apiVersion: v2\nname: child\nversion: 0.1.0\n",
        ),
        ("charts/child/templates/a.yaml", printed),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let chart = Chart::from_files(files).unwrap();
    let check = |setting: Setting, given: &str, expect: &str| {
        let mut values = Values::default();
        values.set(setting, given).unwrap();
        let found = text(&chart, &values);
        assert!(found.contains(expect), "{given}: {found}");
    };
    check(Setting::Typed, "", "size=float64 1.2345678e+07 g=float64 7");
    check(Setting::Json, "size=12345678", "size=float64 1.2345678e+07");
    check(Setting::Text, "size=12345678", "size=string 12345678");
    check(Setting::Typed, "size=12345678", "size=int64 12345678");
    check(
        Setting::Typed,
        "size=9007199254740993",
        "size=int64 9007199254740993",
    );
    check(
        Setting::Typed,
        "child.x=12345678",
        "demo/charts/child/templates/a.yaml\nkind: ConfigMap\ndata: x=int64 12345678 g=float64 7",
    );
    check(
        Setting::Typed,
        "global.num=8",
        "demo/charts/child/templates/a.yaml\nkind: ConfigMap\ndata: g=int64 8",
    );
    check(Setting::Typed, "list={1,2}", "l=int64");
}

#[test]
fn a_schema_can_be_left_out() {
    let files = [
        ("Chart.yaml", CHART),
        (
            "values.schema.json",
            r#"{"properties": {"a": {"type": "integer"}}}"#,
        ),
        ("templates/a.yaml", "kind: ConfigMap\n"),
    ];
    let files = files.map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()));
    let chart = Chart::from_files(files).unwrap();
    let mut values = Values::default();
    values.set(Setting::Typed, "a=5").unwrap();
    text(&chart, &values);
    values.set(Setting::Typed, "a=x").unwrap();
    let (release, capabilities, surroundings) = Default::default();
    let refused = render_values(&chart, &values, &release, &capabilities, &surroundings);
    assert!(refused.unwrap_err().to_string().contains("values don't meet"));
    text(&chart, &values.unchecked());
}
