import { defineConfig } from 'viewkeeper'

export default defineConfig({
  // The definitions of views, and their frozen migrations.
  folders: { views: 'views', migrations: 'migrations' },
  // What `npx viewkeeper serve` does: these are the defaults. Every option: node_modules/viewkeeper/docs/serve.md#options
  serve: {
    // The name that mails, the page, metrics and commands say.
    environment: '{{name}}',
    // Every view each night, and what definitions say; false: nothing is refreshed by the clock.
    schedules: { nightly: { at: '02:00', timeZone: 'Etc/UTC' }, views: true },
    batchConcurrency: 2,
    monitorEveryMinutes: 1,
    remindEveryHours: 24,
    // Who gets mails, and the server that takes them. To try: npx viewkeeper notify --test
    alarmEmails: [],
    // notify: { smtp: { host: 'smtp.example.com', from: 'viewkeeper@example.com' } },
  },
})
