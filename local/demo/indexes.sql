-- Built after the rows are there, which is quicker.
create index flights_origin_destination_idx on flights (origin, destination);
create index flights_date_idx on flights (date);
create index airports_state_idx on airports (state);
create index zipcodes_state_idx on zipcodes (state);
