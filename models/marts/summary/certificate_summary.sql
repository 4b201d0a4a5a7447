-- One row per number of certificates, from 0 to all courses of the program.
with

courses as (
    select * from {{ ref('this_program_courses') }}
),

stages_by_country as (
    select * from {{ ref('stages_by_country') }}
),

numbers as (
    select 0 as no_certificate_eligible
    union all
    select row_number() over (order by position) as no_certificate_eligible
    from courses
),

final as (
    select
        numbers.no_certificate_eligible::integer as no_certificate_eligible,
        coalesce(sum(counted.learners), 0)::bigint as learners,
        sum(if(counted.stage = 'one to go', counted.learners, 0))::bigint as all_but_one_certified,
        sum(if(counted.stage = 'series complete', counted.learners, 0))::bigint as whole_series_certified
    from numbers
    left join stages_by_country as counted
        on numbers.no_certificate_eligible = counted.no_certificate_eligible
    group by numbers.no_certificate_eligible
)

select * from final
order by no_certificate_eligible
