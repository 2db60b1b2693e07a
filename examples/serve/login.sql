-- The image executes this once, when it makes the database. The login owns the database and is no superuser.
\set password `cat /run/secrets/password`
create role viewkeeper_app login createrole password :'password';
alter database shop owner to viewkeeper_app;
