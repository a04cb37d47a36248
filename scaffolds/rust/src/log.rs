//! Logging: one JSON object a line on stdout. `tracing::info!(path, "request")` writes such a line.

use std::fmt::Debug;
use std::io::Write;
use std::time::SystemTime;

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

/// Begins to log what is at least as important as `level`: debug, info, warn or error.
pub fn start(level: Option<&str>) {
    let lowest = match level.map(str::to_lowercase).as_deref() {
        Some("debug") => LevelFilter::DEBUG,
        Some("warn") => LevelFilter::WARN,
        Some("error") => LevelFilter::ERROR,
        _ => LevelFilter::INFO,
    };
    let logger = tracing_subscriber::registry().with(Json.with_filter(lowest));
    // Only fails if somebody logs already.
    let _ = tracing::subscriber::set_global_default(logger);
}

struct Json;

impl<S: Subscriber> Layer<S> for Json {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Fields(Map::new());
        event.record(&mut line);
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        line.0.insert("time".to_owned(), time.into());
        line.0
            .insert("level".to_owned(), event.metadata().level().as_str().into());
        // Nothing can be done about a log that nobody takes.
        let _ = writeln!(std::io::stdout().lock(), "{}", Value::Object(line.0));
    }
}

struct Fields(Map<String, Value>);

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        let name = match field.name() {
            "message" => "msg",
            name => name,
        };
        self.0.insert(name.to_owned(), value);
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}
