{#- What a text or a group of rows says. -#}

{#- A text of digits alone as BIGINT; NULL for any other text, `1.5` and `1e3` too. -#}
{% macro whole_number(text) -%}
    if({{ matches(text, "'[0-9]+'") }}, try_cast({{ text }} as bigint), null)
{%- endmacro %}

{#- A text as DOUBLE; NULL where it is no number. But for the pattern, DuckDB reads 1_0 and Spark 0.5d. -#}
{% macro decimal_number(text) -%}
    if(
        {{ matches(text, "'\\s*[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?\\s*'") }},
        try_cast({{ text }} as double),
        null
    )
{%- endmacro %}

{#- When the build began, as TIMESTAMP, UTC. -#}
{% macro now_utc() -%}
    timestamp '{{ (run_started_at | string)[:19] }}'
{%- endmacro %}

{#- A text such as 2026-07-14 as DATE; NULL for any other text, `2026-7-14` and `2026-02-30` too. -#}
{% macro iso_date(text) -%}
    if({{ matches(text, "'[0-9]{4}-[0-9]{2}-[0-9]{2}'") }}, try_cast({{ text }} as date), null)
{%- endmacro %}

{#- The day that a build is of, as DATE; NULL where the variable as_of is no day. -#}
{% macro as_of() -%}
    {%- set day = var('as_of', none) -%}
    {%- if day is none -%}
        {#- A day lasts until it has ended in UTC-12, where it ends last. -#}
        cast({{ now_utc() }} - interval 12 hour as date)
    {%- else -%}
        {{ iso_date("'" ~ day | string | replace("'", "''") ~ "'") }}
    {%- endif -%}
{%- endmacro %}

{#- The value of the row with the highest rank, among the rows in which it is not NULL. -#}
{% macro newest(value, rank) -%}
    max_by({{ value }}, {{ rank }}) filter (where {{ value }} is not null)
{%- endmacro %}

{#- Whether mail can go to a text: an address as HTML's email input has it, with a dot in its domain. -#}
{% macro is_mail_address(text) -%}
    {%- set address -%}
        '[A-Za-z0-9.!#$%&''*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)+'
    {%- endset -%}
    coalesce({{ matches('trim(' ~ text ~ ')', address) }}, false)
{%- endmacro %}

{#- Whether a username is one that edX gives a retired account; false for NULL. It looks for `__` first, which
    hardly any other name has: a third of the time. -#}
{% macro is_retired_username(text) -%}
    if(contains({{ text }}, '__'), left(lower(trim({{ text }})), 9) = 'retired__', false)
{%- endmacro %}

{#- Whether an address is one that edX gives a retired account; false for NULL. -#}
{% macro is_retired_email(text) -%}
    if({{ text }} ilike '%.invalid%', lower(trim({{ text }})) like '%.invalid', false)
{%- endmacro %}

{#- How many days before a day a moment was, as INTEGER; 0 where that day or later, NULL for NULL. -#}
{% macro days_before(moment, day) -%}
    if(
        {{ moment }} is null,
        null,
        greatest(extract(day from cast({{ day }} as timestamp) - date_trunc('day', {{ moment }})), 0)
    )::integer
{%- endmacro %}

{#- Whether a grade report is of a time when edX called all passing auditors certificate-eligible; since then
    it says so of an auditor only where somebody put the learner on a list. -#}
{% macro calls_auditors_eligible(reported_at) -%}
    {{ reported_at }} < timestamp '2018-06-01'
{%- endmacro %}

{#- Whether a grade report's row tells of a certificate. -#}
{% macro tells_of_certificate(certificate_eligible, enrollment_track, reported_at) -%}
    {{ certificate_eligible }} = 'Y'
    and (coalesce({{ enrollment_track }}, '') != 'audit' or not {{ calls_auditors_eligible(reported_at) }})
{%- endmacro %}

{#- Whether a learner has left a run: has a status, as old reports do not, and another than enrolled. -#}
{% macro has_left(enrollment_status) -%}
    coalesce({{ enrollment_status }}, 'enrolled') != 'enrolled'
{%- endmacro %}

{#- The kind of mail in words, from trigger_course_verified. -#}
{% macro mail_kind(trigger_course_verified) -%}
    if({{ trigger_course_verified }} = 1, 'earned a certificate', 'passed as an auditor')
{%- endmacro %}
