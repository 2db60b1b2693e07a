reset role;
drop schema first_hour cascade;
