import sqlalchemy as sa, cProfile, pstats, time, statistics
from keyun.access import system
from keyun.db import is_sqlite
from keyun_notices.inbox import query
from keyun_notices.inbox.services import inbox
from keyun_notices.publishing import frozen
pytest_plugins=[]
def test_x(town):
    lines=[]
    with town.site.writing() as u:
        pass
    for i in range(200): town.publish(f"n{i}")
    if 1:
        with town.site.writing() as u:
            c=u.session.connection()
            if not is_sqlite(u.session):
                c.execute(sa.text("insert into notices_addressed select n.id, g, decode(repeat('00',512),'hex') from notices_notice n, generate_series(1,300) g on conflict do nothing"))
            else:
                c.execute(sa.text("with recursive g(x) as (select 1 union all select x+1 from g where x<300) insert into notices_addressed select n.id, x, zeroblob(512) from notices_notice n, g where true on conflict do nothing"))
            c.execute(sa.text("ANALYZE"))
    with town.site.reading() as u:
        c=u.session.connection(); sq=is_sqlite(u.session)
        @sa.event.listens_for(c.engine,"before_cursor_execute")
        def b(conn,cur,st,par,ctx,many):
            if "notices_addressed" in st and not st.lstrip().upper().startswith("EXPLAIN") : lines.append((st,par,many))
        from keyun_notices.publishing import leaving
        from keyun_notices.inbox.services import look
        a=town.actor("an")
        inbox(a,u)
        look(a,u,town.notice("n5").public_id)
        list(leaving.addressed_to(u,town.people["an"]))
    with town.site.writing() as u:
        frozen.forget(u.session, town.people["bo"])
    with town.site.reading() as u:
        raw=u.session.connection().connection.driver_connection.cursor()
        for st,par,many in lines:
            if many or st.startswith("UPDATE"): par=par[0] if many else par
            raw.execute(("EXPLAIN QUERY PLAN " if sq else "EXPLAIN ")+st, par)
            print("---", st[:60].replace("\n"," "), st[-150:].replace("\n"," "))
            for r in raw.fetchall():
                if "ddressed" in str(r): print("   ",r[-1])
    with town.site.reading() as u:
        a=town.actor("an"); inbox(a,u)
        ts=[]
        for _ in range(200):
            t=time.perf_counter(); inbox(a,u); ts.append(time.perf_counter()-t)
        print("p50 ms",statistics.median(ts)*1e3)
        p=cProfile.Profile(); p.enable()
        for _ in range(200): inbox(a,u)
        p.disable(); pstats.Stats(p).sort_stats("tottime").print_stats(16)
