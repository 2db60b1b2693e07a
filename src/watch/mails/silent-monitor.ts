/** What alarm silent-monitor of an environment says. */
export const silentMonitor = (environment: string) => ({
  happened:
    'The monitor has published nothing, twice: it failed, or it was not called. No other alarm about runs and views goes off.',
  first: `aws logs tail /viewkeeper/${environment}/monitor --since 1h shows its errors.`,
})
