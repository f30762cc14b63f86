//! `bare-handler`: the least that a webhook target on JetStream can do, for `make compare`. It publishes the body of a
//! text, and answers when nats-server has acknowledged it.

use std::net::SocketAddr;

use anyhow::Context as _;
use async_nats::jetstream::{self, Context, stream};
use clap::Parser;
use poem::error::ServiceUnavailable;
use poem::listener::TcpListener;
use poem::middleware::AddData;
use poem::web::Data;
use poem::{Body, EndpointExt, Response, Route, Server, get, handler, post};

const SUBJECT: &str = "texts";

/// Stores webhooks in JetStream, and does nothing else.
#[derive(Parser)]
struct Arguments {
    /// The address on which it listens.
    #[arg(long)]
    bind: SocketAddr,
    /// NATS's URL.
    #[arg(long)]
    nats: String,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    let context = jetstream::new(async_nats::connect(arguments.nats).await?);
    let texts = stream::Config { name: "TEXTS".to_owned(), subjects: vec![SUBJECT.to_owned()], ..Default::default() };
    context.create_stream(texts).await?;
    let routes = Route::new()
        .at("/webhooks/twilio/sms", post(store))
        .at("/health/ready", get(ready))
        .with(AddData::new(context));
    Server::new(TcpListener::bind(arguments.bind)).run(routes).await.context("cannot listen")
}

#[handler]
async fn store(body: Body, Data(context): Data<&Context>) -> poem::Result<Response> {
    let body = body.into_bytes().await?;
    let acknowledged = context.publish(SUBJECT, body).await.map_err(ServiceUnavailable)?;
    acknowledged.await.map_err(ServiceUnavailable)?;
    Ok(Response::builder().content_type("text/xml").body(r#"<?xml version="1.0" encoding="UTF-8"?><Response/>"#))
}

#[handler]
fn ready() {}
