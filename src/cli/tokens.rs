//! `nevermisscall tokens`: the stored auth tokens of businesses, while the key that encrypts them is rotated.

use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::Subcommand;

use crate::adapters::postgres::{SealedTokens, Store};
use crate::config::{ConfigError, Secret, Settings};
use crate::domain::dispatchbot::EndpointUrl;
use crate::secrets::TokenCipher;

/// How many businesses are read at once.
const PAGE: i64 = 200;
/// How often a business is read again because the App Server puts it at the same time.
const TRIES: usize = 5;

#[derive(Debug, Subcommand)]
pub(super) enum TokensCommand {
    /// Count the stored tokens by the key that opens them; exit 1 unless NMC_TOKEN_KEY opens all.
    Check,
    /// Encrypt all tokens with NMC_TOKEN_KEY that only NMC_TOKEN_KEY_OTHER opens; exit 1 if a token opens with neither.
    ///
    /// It may be stopped and started again at any time, and the service runs meanwhile.
    Rotate,
}

/// The database and the keys.
pub(super) struct Access {
    database_url: Secret,
    cipher: Option<TokenCipher>,
}

impl Access {
    pub(super) fn of(settings: &Settings) -> Result<Self, ConfigError> {
        let (key, other) = settings.token_keys()?;
        let cipher = TokenCipher::of_keys(key.as_ref(), other.as_ref());
        Ok(Self { database_url: settings.database_url()?, cipher })
    }
}

/// How many tokens there are, by what became of them.
#[derive(Debug, Default)]
struct Counts {
    current: usize,
    other: usize,
    lost: usize,
}

pub(super) async fn run(access: &Access, command: TokensCommand) -> anyhow::Result<ExitCode> {
    let cipher = access.cipher.as_ref().context("NMC_TOKEN_KEY is not set")?;
    let store = Store::lazy(access.database_url.expose())?;
    let rotates = matches!(command, TokensCommand::Rotate);
    let (mut counts, mut after) = (Counts::default(), String::new());
    loop {
        let page = store.sealed_tokens(&after, PAGE).await?;
        let Some(last) = page.last() else { break };
        after.clone_from(&last.business_id);
        for tokens in page {
            if rotates {
                counts.add(rotate(&store, cipher, tokens).await?);
            } else {
                counts.add(seal_again(cipher, &tokens).1);
            }
        }
    }
    let Counts { current, other, lost } = counts;
    let verb = if rotates { "were encrypted with it now" } else { "open with NMC_TOKEN_KEY_OTHER" };
    println!("{current} tokens open with NMC_TOKEN_KEY, {other} {verb}, {lost} open with neither key");
    let all_open = lost == 0 && (rotates || other == 0);
    Ok(if all_open { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Encrypts the tokens of a business again where needed. The App Server may put others at the same time.
async fn rotate(store: &Store, cipher: &TokenCipher, mut tokens: SealedTokens) -> anyhow::Result<Counts> {
    for _ in 0..TRIES {
        let (sealed, counts) = seal_again(cipher, &tokens);
        if sealed == tokens || store.replace_sealed_tokens(&tokens, &sealed).await? {
            return Ok(counts);
        }
        match store.sealed_tokens_of(&tokens.business_id).await? {
            Some(now) => tokens = now,
            None => return Ok(Counts::default()),
        }
    }
    bail!("business {} is put again and again; run `tokens rotate` once more", tokens.business_id)
}

/// The same tokens encrypted with the current key. Those that do not open stay as they are.
fn seal_again(cipher: &TokenCipher, tokens: &SealedTokens) -> (SealedTokens, Counts) {
    let (business, mut counts) = (tokens.business_id.as_str(), Counts::default());
    let mut again_in = |context: &str, sealed: &Option<Vec<u8>>| {
        let sealed = sealed.as_ref()?;
        if cipher.is_current(sealed, context) {
            counts.current += 1;
            return Some(sealed.clone());
        }
        match cipher.open(sealed, context) {
            Ok(token) => {
                counts.other += 1;
                Some(cipher.seal(token.expose(), context))
            }
            Err(error) => {
                counts.lost += 1;
                eprintln!("a token of business {business}: {error}");
                Some(sealed.clone())
            }
        }
    };
    let token = again_in(business, &tokens.token);
    // Equal bytes say that the token is confirmed.
    let proven = if tokens.proven == tokens.token { token.clone() } else { again_in(business, &tokens.proven) };
    let (pending, next) = (again_in(business, &tokens.pending), again_in(business, &tokens.next));
    // A key that an older version left behind, when it took the URL out of the document, is of no use.
    let url = tokens.dispatchbot_url.as_deref().and_then(|url| url.parse::<EndpointUrl>().ok());
    let dispatchbot_key = url.and_then(|url| again_in(&url.key_context(business), &tokens.dispatchbot_key));
    let dispatchbot_url = tokens.dispatchbot_url.clone();
    let business_id = business.to_owned();
    (SealedTokens { business_id, token, proven, pending, dispatchbot_key, dispatchbot_url, next }, counts)
}

impl Counts {
    fn add(&mut self, other: Self) {
        self.current += other.current;
        self.other += other.other;
        self.lost += other.lost;
    }
}
