-- One row per download that lacks more learners than max_learners_gone allows. The build stops at any.
{{ config(post_hook="{{ stop_with_messages(this) }}") }}

{%- set limit = var('max_learners_gone', none) %}

with

downloads_compared as (
    select * from {{ ref('int_downloads_compared') }}
),

allowed as (
    select
        nullif('{{ limit | string | replace("'", "''") }}', 'None') as said_share,
        {{ decimal_number('said_share') }} as allowed_share
),

unreadable as (
    select
        'max_learners_gone is ' || said_share || ': expected the share of a run''s learners'
        || ' that a download may lack, from 0 to 1, such as 0.2.' as message
    from allowed
    where said_share is not null and not coalesce(allowed_share between 0 and 1, false)
),

too_many_gone as (
    select
        downloads_compared.file_name || ': it lacks '
        || (downloads_compared.learners_gone - downloads_compared.learners_carried_over) || ' of the '
        || downloads_compared.earlier_learner_count || ' learners in ' || downloads_compared.earlier_file_name
        || ', more than max_learners_gone (' || allowed.said_share || ') allows: download it again,'
        || ' or build without max_learners_gone.' as message
    from downloads_compared
    cross join allowed
    where
        downloads_compared.learners_gone - downloads_compared.learners_carried_over
        > allowed.allowed_share * downloads_compared.earlier_learner_count
),

final as (
    select message from unreadable
    union all
    select message from too_many_gone
)

select * from final
