-- Domestic flights in the United States (the first two weeks of January 2001), its airports and its zip codes.
create table flights (
  id bigint generated always as identity primary key,
  date timestamp not null,
  delay integer not null,
  distance integer not null,
  origin text not null,
  destination text not null
);
comment on table flights is 'One row per flight; delay in minutes (negative: early), distance in miles.';

create table airports (
  iata text primary key,
  name text not null,
  city text not null,
  state text not null,
  country text not null,
  latitude double precision not null,
  longitude double precision not null
);

create table zipcodes (
  zip_code text primary key,
  latitude double precision not null,
  longitude double precision not null,
  city text not null,
  state text not null,
  county text not null
);
