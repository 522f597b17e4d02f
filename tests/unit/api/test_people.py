"""People by the interface: lists with preview, joiners, leavers, groups, reviews, sheets; nobody in what is kept."""

from __future__ import annotations

import base64

from tests.unit.api.conftest import Programs

HEADS = "单位,账号,姓名,状态\n"


def worked(programs: Programs, job: dict) -> dict:
    """What came of a job once the worker was at it."""
    while programs.world.client.jobs.work(("at_once", "runs", "machines")) is not None:
        pass
    found: dict = programs.get(f"/jobs/{job['id']}").json
    assert found["state"] == "done", found
    return found


def test_a_list_is_seen_and_taken_over_and_forgotten(programs: Programs) -> None:
    body = {"content": base64.b64encode(f"{HEADS}fgw,apinew,张新,在职\n".encode()).decode()}
    wrong = {"content": base64.b64encode(f"{HEADS}fgw,X,,在职\nnone,a1b,张,在职\n".encode()).decode()}
    refused = programs.post("/account-lists?dry_run=true", wrong)
    assert refused.status_code == 422 and {fault["line"] for fault in refused.json["errors"]} == {2, 3}
    seen = programs.post("/account-lists?dry_run=true", body).json
    assert (seen["counts"]["joins"], [line["uid"] for line in seen["lines"]]) == (1, ["apinew"])
    placed = programs.post("/account-lists", {**body, "digest": seen["digest"]})
    assert placed.status_code == 202 and "content" not in placed.json["given"]
    done = worked(programs, placed.json)
    assert done["answer"]["counts"]["joins"] == 1
    assert programs.get("/accounts/apinew").json["tenant"] == "fgw"
    with programs.world.store.database.read() as connection:
        given = connection.exec_driver_sql(f"select given from jobs where id = {done['id']}").scalar()
    assert body["content"] not in given and "张新" not in given
    assert programs.post("/account-lists", {**body, "digest": "0" * 64}).status_code == 202


def test_somebody_joins_and_leaves(programs: Programs) -> None:
    world = programs.world
    joiner = {"uid": "apijoin", "display_name": "李加", "tenant": "fgw", "groups": ["all"]}
    worked(programs, programs.post("/accounts", joiner).json)
    world.directory.add("apijoin", "fgw")
    assert programs.get("/accounts/apijoin", "clerk").json["groups"] == ["all"]
    leaver = {"uid": "apijoin", "reason": "gone"}
    other = programs.post("/tenants/gaj/leavers", leaver, "clerk")
    assert other.status_code == 404
    left = programs.post("/tenants/fgw/leavers", leaver, "clerk")
    assert left.status_code == 202
    assert programs.get(f"/jobs/{left.json['id']}", "clerk").json["kind"] == "account_leave"
    assert programs.get(f"/jobs/{left.json['id']}", "approver").status_code == 404
    assert world.directory.entries["apijoin"].disabled, "before the job"
    worked(programs, left.json)
    assert programs.get("/accounts/apijoin").json["status"] == "left"


def test_nobody_of_others_is_told_apart_from_nobody(programs: Programs) -> None:
    other = programs.world.client.accounts("gaj")[0]["uid"]
    found, absent = programs.get(f"/accounts/{other}", "clerk"), programs.get("/accounts/nobodyhere", "clerk")
    assert found.status_code == absent.status_code == 404
    assert found.json["detail"].replace(other, "X") == absent.json["detail"].replace("nobodyhere", "X")
    assert found.json["remedy"] == absent.json["remedy"]


def test_a_sheet_is_issued_and_not_opened_here(programs: Programs) -> None:
    uid = programs.world.client.accounts("fgw")[1]["uid"]
    placed = programs.post("/tenants/fgw/password-sheets", {"uids": [uid], "reason": "new"}, "clerk")
    done = worked(programs, placed.json)
    assert done["answer"]["uids"] == [uid]
    rows = programs.get("/password-sheets?state=ready", "clerk").json["items"]
    assert rows and "password" not in str(rows[0]).replace("password-", "")
    assert programs.get("/password-sheets?tenant=gaj", "clerk").json["total"] == 0


def test_a_group_is_looked_at_made_and_undone(programs: Programs) -> None:
    body = {"name": "by-program", "zh": "程序"}
    seen = programs.post("/tenants/fgw/groups?dry_run=true", body).json
    assert seen["plan"]["summary"]["create"] == 1
    stale = programs.post("/tenants/fgw/groups", {**body, "digest": "0" * 64})
    assert (stale.status_code, stale.json["code"]) == (412, "stale-plan"), stale.json
    job = worked(programs, programs.post("/tenants/fgw/groups", body).json)
    uid = programs.world.client.accounts("fgw")[0]["uid"]
    worked(programs, programs.post("/tenants/fgw/groups/by-program/members", {"put": [uid]}).json)
    row = programs.get("/tenants/fgw/groups/by-program", "clerk").json
    assert [one["uid"] for one in row["members"]] == [uid]
    assert programs.get(f"/groups?people={uid}&name=by-program", "clerk").json["total"] == 1
    worked(programs, programs.post("/tenants/fgw/groups/by-program/names", {"to": "by-hand"}).json)
    worked(programs, programs.post("/tenants/fgw/groups/by-hand/ends").json)
    assert programs.get("/tenants/fgw/groups/by-hand").status_code == 404
    assert programs.post("/tenants/fgw/groups", {"name": "Not A Name", "zh": "x"}).status_code == 422
    assert job["run"] is not None


def test_a_review_is_decided_by_the_department(programs: Programs) -> None:
    world = programs.world
    world.store.reviews.begin(world.client.tenant("fgw")["id"], "2027Q1", world.clock())
    people = programs.get("/tenants/fgw/review", "clerk").json["people"]
    said = {people[0]["uid"]: {"what": "moved", "more": "czj"}}
    half = programs.post("/tenants/fgw/reviews", {"said": said}, "clerk")
    assert half.status_code == 422 and len(half.json["errors"]) == len(people) - 1
    done = programs.post("/tenants/fgw/reviews", {"said": said, "rest": True}, "clerk")
    assert done.status_code == 201 and done.json["counts"]["moved"] == 1
    (row,) = programs.get("/reviews?state=done&tenant=fgw").json["items"]
    worked(programs, programs.post(f"/reviews/{row['id']}/moves").json)
    assert programs.get(f"/accounts/{people[0]['uid']}").json["tenant"] == "czj"
    assert programs.post("/reviews/999/moves").status_code == 404


def test_a_tenant_goes_back_by_a_plan(programs: Programs) -> None:
    world = programs.world
    assert programs.post("/tenants/czj/restores", {"to": "2026-11-24T10:30", "what": ["nothing"]}).status_code == 422
    coming = programs.post("/tenants/czj/restores", {"to": "2999-01-01"})
    (fault,) = coming.json["errors"]
    assert (coming.status_code, coming.mimetype) == (422, "application/problem+json")
    assert (fault["pointer"], fault["remedy"]) == ("to", "Name a day or a time in the past.")
    day = world.clock().isoformat()
    world.clock.advance(3600)
    world.client.groups.change("czj", {"act": "make", "name": "lately", "zh": "新"})
    made = programs.post("/tenants/czj/restores", {"to": day, "what": ["accounts"]})
    assert made.status_code == 201, made.text
    assert [c["id"] for c in made.json["changes"]] == ["directory:group/czj/lately"]
    assert made.headers["Location"].endswith(f"/plans/{made.json['digest']}")


def test_ones_own_tokens_end_and_no_others(programs: Programs) -> None:
    first = programs.token("finance", scopes=("tokens:write",))
    other = programs.token("auditor", scopes=("tokens:write",))
    rows = programs.send(first, "GET", "/tokens").json["items"]
    assert [row["name"] for row in rows] == ["finance"] and "token" not in rows[0]
    number = rows[0]["id"]
    assert programs.send(other, "POST", f"/tokens/{number}/ends", json={}).status_code == 404
    assert programs.send(first, "POST", f"/tokens/{number}/ends", json={"reason": "lost"}).json["state"] == "ended"
    assert programs.send(first, "GET", "/tokens").status_code == 401


def test_a_webhook_is_ended_and_told_again(programs: Programs) -> None:
    world = programs.world
    given = {"name": "by program", "url": "https://hooks.example.test/", "families": ["run"]}
    made = world.client.acting_as(f"directory:{world.person('operator')}").webhooks.create(**given)
    hook = world.store.webhooks.get(made["id"])
    world.store.webhooks.gather(hook, {hook.seen + 1: {"type": "run.ended"}}, hook.seen + 1)
    (row,) = programs.get(f"/webhook-deliveries?webhook={made['id']}").json["items"]
    assert programs.post(f"/webhook-deliveries/{row['id']}/resends").json["state"] == "waiting"
    assert made["secret"] not in programs.get("/webhooks").text
    assert programs.post(f"/webhooks/{made['id']}/ends").json["state"] == "ended"
    assert programs.post(f"/webhooks/{made['id']}/ends").status_code == 409
