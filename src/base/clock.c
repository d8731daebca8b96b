/* clock_gettime() in the units that are used here; with these clocks it cannot fail. */
#include "base/clock.h"

#include <stddef.h>
#include <time.h>

uint64_t bl_clock_ns(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int64_t bl_clock_wall_s(void)
{
    return bl_clock_wall_ms() / 1000;
}

int64_t bl_clock_wall_ms(void)
{
    struct timespec now = { 0 };
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Years are counted from March, so that the leap day comes last, and in eras of 400. */
int64_t bl_clock_days(int year, int month, int day)
{
    int64_t y = (int64_t)year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
    int64_t of_era = y - era * 400, of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

bool bl_clock_is_date(int year, int month, int day)
{
    static const int lengths[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool             leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month >= 1 && month <= 12 && day >= 1 &&
           day <= lengths[month - 1] + (leap && month == 2);
}

/* Exactly the digits and letters of the form. */
static bool has_form(const char *text)
{
    static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
    for (size_t i = 0; i < sizeof form; i++)
        if (form[i] == 'd' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
            return false;
    return true;
}

static int number_at(const char *text, int digits)
{
    int value = 0;
    for (int i = 0; i < digits; i++)
        value = value * 10 + (text[i] - '0');
    return value;
}

bool bl_clock_parse(const char *text, int64_t *out)
{
    *out = 0;
    if (!has_form(text))
        return false;
    int year = number_at(text, 4), month = number_at(text + 5, 2), day = number_at(text + 8, 2);
    int hour = number_at(text + 11, 2), minute = number_at(text + 14, 2);
    int second = number_at(text + 17, 2);
    if (year < 1970 || !bl_clock_is_date(year, month, day) || hour > 23 || minute > 59 ||
        second > 59)
        return false;
    *out = bl_clock_days(year, month, day) * 86400 + INT64_C(3600) * hour + INT64_C(60) * minute +
           second;
    return true;
}
