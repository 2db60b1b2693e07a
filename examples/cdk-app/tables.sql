-- The shop's own tables, which stand for those of your application.
create table if not exists public.orders (id integer primary key, day date not null, shop text not null, amount numeric not null);
insert into public.orders values (1, '2026-11-01', 'Bonn', 20), (2, '2026-11-01', 'Kiel', 22), (3, '2026-11-02', 'Kiel', 8)
on conflict do nothing;
