/** The hour in UTC that is half a day away, whenever a test is run: a nightly batch at that hour comes after anything that is due soon. */
export const hourHalfADayAway = (new Date().getUTCHours() + 12) % 24

/** No nightly batch begins while a test goes on. */
export const noNightNow = { nightly: { at: `${String(hourHalfADayAway).padStart(2, '0')}:00` }, views: true }
