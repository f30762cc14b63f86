//! Reads the configuration from the settings, variable by variable.
//!
//! Returns a complete [`Config`] or all problems: every variable is read, even if an earlier one was invalid.

use std::time::Duration;

use super::error::{ConfigError, Problem};
use super::parse::{self, Parsed};
use super::settings::Settings;
use super::variables::{self, Variable};
use super::{Config, DispatchBotConfig, TwilioConfig, WindowConfig};

/// Reads one variable after another and collects their problems.
pub(super) struct Reader<'a> {
    settings: &'a Settings,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(settings: &'a Settings) -> Self {
        Self { settings, problems: Vec::new() }
    }

    pub(super) fn read(mut self) -> Result<Config, ConfigError> {
        match self.config() {
            Some(config) if self.problems.is_empty() => Ok(config),
            _ => Err(ConfigError::new(self.problems)),
        }
    }

    /// Reads all variables before it returns, so that every problem is found.
    fn config(&mut self) -> Option<Config> {
        let bind = self.take(variables::BIND, parse::socket_address);
        let max_connections = self.take(variables::MAX_CONNECTIONS, parse::connections);
        let docs = self.take(variables::DOCS, parse::on_or_off);
        let public_url = self.take(variables::PUBLIC_URL, parse::public_url);
        let database_url = self.take(variables::DATABASE_URL, parse::postgres_url);
        let nats_url = self.take(variables::NATS_URL, parse::nats_servers);
        let nats_replicas = self.take(variables::NATS_REPLICAS, parse::replicas);
        let redis_url = self.take(variables::REDIS_URL, parse::redis_url);
        let twilio = self.twilio();
        let dispatchbot = self.dispatchbot();
        let api_keys = self.take(variables::API_KEYS, parse::tokens).unwrap_or_default();
        let window = self.window();
        let dial_timeout = self.take(variables::DIAL_TIMEOUT, parse::dial_timeout);
        let send_rate = self.take(variables::SEND_RATE, parse::rate);
        let ai_max = self.take(variables::AI_MAX, parse::rate);
        let rate_limit = self.take(variables::RATE_LIMIT, parse::rate);
        let alert_every = self.take(variables::ALERT_EVERY, parse::duration);
        let missed_call_cooldown = self.take(variables::MISSED_CALL_COOLDOWN, parse::duration);
        let reopen_within = self.take(variables::REOPEN_WITHIN, parse::duration);
        let reconcile_after = self.take(variables::RECONCILE_AFTER, parse::duration);
        let keep = self.take(variables::KEEP, parse::keep);
        let max_deliveries = self.take(variables::MAX_DELIVERIES, parse::count);
        let replay_rate = self.take(variables::REPLAY_RATE, parse::rate);
        let max_backlog = self.take(variables::MAX_BACKLOG, parse::count);
        let verify_numbers = self.take(variables::VERIFY_NUMBERS, parse::switch);
        let token_key = self.take(variables::TOKEN_KEY, parse::token_key);
        Some(Config {
            bind: bind?,
            max_connections,
            docs: docs?,
            public_url: public_url?,
            database_url: database_url?,
            nats_url: nats_url?,
            nats_replicas: nats_replicas?,
            redis_url: redis_url?,
            twilio: twilio?,
            dispatchbot: dispatchbot?,
            api_keys,
            window: window?,
            dial_timeout: dial_timeout?,
            send_rate: send_rate?,
            ai_max: ai_max?,
            rate_limit: rate_limit?,
            reconcile_after: reconcile_after?,
            alert_every: alert_every?,
            missed_call_cooldown: missed_call_cooldown?,
            reopen_within: reopen_within?,
            keep: keep?,
            max_deliveries: max_deliveries?,
            replay_rate: replay_rate?,
            max_backlog: max_backlog?,
            verify_numbers: verify_numbers?,
            token_key,
        })
    }

    fn twilio(&mut self) -> Option<TwilioConfig> {
        let account_sid = self.take(variables::TWILIO_ACCOUNT_SID, parse::account_sid);
        let auth_token = self.take(variables::TWILIO_AUTH_TOKEN, parse::token);
        let auth_token_next = self.take(variables::TWILIO_AUTH_TOKEN_NEXT, parse::token);
        let api_url = self.take(variables::TWILIO_API_URL, parse::api_url);
        Some(TwilioConfig { account_sid: account_sid?, auth_token: auth_token?, auth_token_next, api_url: api_url? })
    }

    fn dispatchbot(&mut self) -> Option<DispatchBotConfig> {
        let url = self.take(variables::DISPATCHBOT_URL, parse::api_url);
        let api_key = self.take(variables::DISPATCHBOT_API_KEY, parse::token);
        let dialect = self.take(variables::DISPATCHBOT_DIALECT, parse::dialect);
        Some(DispatchBotConfig { url: url?, api_key: api_key?, dialect: dialect? })
    }

    fn window(&mut self) -> Option<WindowConfig> {
        let hold = self.take(variables::WINDOW_HOLD, parse::duration);
        let quiet = self.take(variables::WINDOW_QUIET, parse::duration);
        let max = self.take(variables::WINDOW_MAX, parse::duration);
        let window = WindowConfig { hold: hold?, quiet: quiet?, max: max? };
        self.at_most(variables::WINDOW_HOLD, window.hold, window.max);
        self.at_most(variables::WINDOW_QUIET, window.quiet, window.max);
        Some(window)
    }

    /// `None` if an optional variable is not set, or if there is a problem, which is then added to the list.
    fn take<T>(&mut self, variable: Variable, parse: fn(&str) -> Parsed<T>) -> Option<T> {
        self.settings.value(variable, parse).unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        })
    }

    fn at_most(&mut self, variable: Variable, value: Duration, max: Duration) {
        if value > max {
            let reason = format!("must not be longer than {}", variables::WINDOW_MAX.name);
            self.problems.push(Problem::new(variable.name, reason, Some(variable.example)));
        }
    }
}
