//! The life of a request on one screen. Each step is a file of that name; what fails in any of them ends in
//! `rescue`, and every request ends in `record`.

use tidegate_core::exchange::{AnswerBody, Exchange};
use tidegate_core::head::{Length, RequestHead, ResponseHead};
use tidegate_core::plan::{Leg, RoutePlan, Snapshot, Target};
use tidegate_wire::http1::response::ParsedResponse;
use tidegate_wire::scratch::Leased;

use crate::call::Bounds;
use crate::gather::{self, Gathered};
use crate::held::Held;
use crate::record::Record;
use crate::rescue::Failure;
use crate::worker::Worker;
use crate::{call, deliver, door, forward, inbound, mirror, outbound, reply, rescue, route};

/// Serves one request.
pub(crate) async fn run<E: Exchange>(worker: &Worker, request: &mut RequestHead, client: &mut E) {
    let snapshot = worker.snapshot();
    let mut record = Record::begin(worker, &snapshot, request);
    if let Some(trusted) = &client.client().trusted {
        record.believe(client.client(), trusted, request);
    }
    let mut response: Leased<ResponseHead> = Leased::take();

    let mut plan = None;
    let result = steps(worker, &snapshot, request, client, &mut response, &mut record, &mut plan).await;
    if let Err(failure) = result {
        rescue::rescue(worker, plan, request, client, &mut response, &mut record, failure).await;
    }
    record.end(&snapshot, plan, request, client);
}

async fn steps<'s, E: Exchange>(
    worker: &Worker,
    snapshot: &'s Snapshot,
    request: &mut RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    record: &mut Record<'s>,
    chosen: &mut Option<&'s RoutePlan>,
) -> Result<(), Failure> {
    let Some(way) = towards(worker, snapshot, request, client, response, record, chosen).await? else {
        return Ok(());
    };
    let (plan, leg) = (way.plan, way.leg);
    record.leg = Some(leg);
    match way.body {
        None => onward(worker, plan, leg, request, client, response, record).await,
        Some(body) => {
            // In a box of its own, so that requests whose body nobody looks at have none of it.
            let mut client = Held::new(client, body);
            Box::pin(onward(worker, plan, leg, request, &mut client, response, record)).await
        }
    }
}

/// The steps with a backend.
async fn onward<'s, E: Exchange>(
    worker: &Worker,
    plan: &RoutePlan,
    leg: &'s Leg,
    request: &mut RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    record: &mut Record<'s>,
) -> Result<(), Failure> {
    if client.length() == Length::Streamed {
        // After the policies: what they edit does not come as a trailer either.
        client.announce_trailers(request);
    }
    let bounds = Bounds::of(plan, record);
    let mut reached = call::call(worker, bounds, leg, request, client, response, record).await?;
    if let Some(mirror) = &plan.mirror {
        mirror::copy(worker, plan, mirror, request, client, &reached);
    }
    client.let_go();
    let ParsedResponse { length, stated_length, .. } = reached.parsed;
    // Whoever passes an answer on says when it came, if nobody before has (RFC 9110 §6.6.1). Before the policies: what they
    // do to the field counts.
    reply::date(response);
    let body = AnswerBody { length, stated_length };
    let shaped = outbound::outbound(plan, request, response, body, client.client(), record);
    deliver::deliver(worker, leg, request, client, response, shaped, &mut reached, record).await?;
    reached.give_back(worker, leg);
    Ok(())
}

/// The way of a request to a service.
pub(crate) struct Way<'s> {
    pub plan: &'s RoutePlan,
    pub leg: &'s Leg,
    /// Its body, as far as policies wanted it in memory.
    pub body: Option<Box<Gathered>>,
}

/// The steps that need no backend: up to the way to a service. `None` if the request was answered on it.
pub(crate) async fn towards<'s, E: Exchange>(
    worker: &Worker,
    snapshot: &'s Snapshot,
    request: &mut RequestHead,
    client: &mut E,
    response: &mut ResponseHead,
    record: &mut Record<'s>,
    chosen: &mut Option<&'s RoutePlan>,
) -> Result<Option<Way<'s>>, Failure> {
    if let Some(redirect) = door::elsewhere(client.client()) {
        door::redirect(redirect, request, response, record.origin(client))?;
        reply::deliver(worker, None, request, client, response, b"", record).await?;
        return Ok(None);
    }
    if request.path_bytes() == b"*" {
        reply::options(worker, request, client, response, record).await?;
        return Ok(None);
    }
    let plan = *chosen.insert(route::route(snapshot, request, client)?);
    forward::request(worker, request, client, record.origin(client))?;
    inbound::inbound(plan, request, client, record).await?;
    let mut body = None;
    if plan.body_bytes_gathered > 0 {
        body = gather::gather(plan, request, client, record).await?;
        if let Some(gathered) = &body {
            inbound::body(plan, request, client, gathered, record).await?;
        }
    }
    let leg = match &plan.target {
        Target::Service(leg) => leg,
        Target::Split(split) => split.choose(request, worker.random()),
        Target::Respond(answer) => {
            reply::respond(worker, plan, answer, request, client, response, record).await?;
            return Ok(None);
        }
        Target::Redirect(redirect) => {
            reply::redirect(redirect, request, response, record.origin(client)).map_err(Failure::refused)?;
            reply::deliver(worker, Some(plan), request, client, response, b"", record).await?;
            return Ok(None);
        }
    };
    if let Some(maintenance) = &leg.service.maintenance {
        return Err(Failure::closed(maintenance, plan, record, (request, client.client())));
    }
    if let Some(rewrite) = &plan.rewrite {
        rewrite.apply(request, record.origin(client)).map_err(Failure::refused)?;
    }
    Ok(Some(Way { plan, leg, body }))
}
