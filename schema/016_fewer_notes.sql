-- Who reads a view, and what leaving refreshes out has saved, is told no more; and the monitor judges at each look.
drop function viewkeeper.note_reads();
drop function viewkeeper.glance();
alter table viewkeeper.definitions drop column last_read_at, drop column reads_noted_since;
drop index viewkeeper.runs_left_out;
delete from viewkeeper.switches where key = 'judged';
comment on table viewkeeper.switches is 'What changes without a deploy. Key paused: since when nothing scheduled starts, and who paused it. Key monitored: since when the ends of runs and batches are published. Key looked: when the monitor last looked, and since when after an absence. Key notice: which notice is being sent to people, and when notices last told of each kind of news. Key events: who is putting events on the bus, and until when.';
