-- One row: the program.
with

this_program as (
    select * from {{ ref('this_program') }}
),

learners as (
    select * from {{ ref('learners') }}
),

learner_progress as (
    select * from {{ ref('learner_progress') }}
),

certificate_summary as (
    select * from {{ ref('certificate_summary') }}
),

by_certificates as (
    select {{ list_in_order('learners', 'no_certificate_eligible') }} as learners_by_certificates
    from certificate_summary
),

counted as (
    select
        count(*) as learners,
        count(*) filter (where stage = 'series complete') as whole_series_certified,
        count(*) filter (where stage = 'one to go') as all_but_one_certified,
        count(*) filter (where no_certificate_eligible > 0) as with_a_certificate
    from learner_progress
),

countries as (
    select count(distinct country) as countries
    from learners
),

final as (
    select
        this_program.program,
        counted.learners,
        by_certificates.learners_by_certificates,
        counted.with_a_certificate,
        counted.all_but_one_certified,
        counted.whole_series_certified,
        countries.countries
    from this_program
    cross join counted
    cross join by_certificates
    cross join countries
)

select * from final
