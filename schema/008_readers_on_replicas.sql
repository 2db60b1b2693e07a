-- Views that programs read on replicas are refreshed in the one way that locks no reader out there.
alter table viewkeeper.definitions add column read_on_replicas boolean;
comment on column viewkeeper.definitions.read_on_replicas is 'Whether programs read the view on replicas. Null: as the environment says.';
